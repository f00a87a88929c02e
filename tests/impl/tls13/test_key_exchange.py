"""Tests of impl.tls13.key_exchange: both halves agree, known vectors, and shares that must be refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.tls13.alerts import TLSError
from impl.tls13.key_exchange import (
    EcdheKeyExchange,
    HybridKeyExchange,
    generate,
    respond,
    respond_with,
    supported_groups,
)
from impl.tls13.registries import AlertDescription, NamedGroup
from tests.support import rfc8448

X25519, P256, P384 = NamedGroup.X25519, NamedGroup.SECP256R1, NamedGroup.SECP384R1
HYBRID = NamedGroup.X25519MLKEM768
SIZES = {X25519: (32, 32, 32), P256: (65, 65, 32), P384: (97, 97, 48), HYBRID: (1216, 1120, 64)}
Q = 3329  # the modulus of ML-KEM (FIPS 203, section 2.4)
P = 2**256 - 2**224 + 2**192 + 2**96 - 1  # the prime of P-256

# Points that give all zeros for every private key (RFC 7748, section 6.1): those of order 1, 2, 4 and 8, on the curve
# and on its twist, and what else is equal to them modulo 2^255 - 19.
SMALL_ORDER = [
    value.to_bytes(32, "little")
    for value in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        2**255 - 20,
        2**255 - 19,
        2**255 - 18,
    )
]

every_group = pytest.mark.parametrize("group", supported_groups(), ids=lambda group: group.name)


def refused(group: NamedGroup, client_share: bytes) -> str:
    """The reason why a server refuses a client's share; the alert is illegal_parameter."""
    with pytest.raises(TLSError) as caught:
        respond(group, client_share)
    assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER
    return caught.value.reason


def refused_by_client(group: NamedGroup, server_share: bytes) -> str:
    with pytest.raises(TLSError) as caught:
        generate(group).shared_secret(server_share)
    assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER
    return caught.value.reason


class TestGroups:
    def test_order_of_preference(self) -> None:
        assert supported_groups() in ((HYBRID, X25519, P256, P384), (X25519, P256, P384))

    @pytest.mark.parametrize("act", [generate, lambda group: respond(group, bytes(32))])
    def test_an_unknown_one_is_refused_with_those_allowed(self, act: object) -> None:
        assert callable(act)
        with pytest.raises(ValueError, match="X25519, SECP256R1, SECP384R1"):
            act(0x0100)

    def test_a_private_key_of_an_unknown_curve_is_refused(self) -> None:
        with pytest.raises(ValueError, match="secp521r1; allowed are secp256r1, secp384r1"):
            EcdheKeyExchange(ec.generate_private_key(ec.SECP521R1()))


class TestAgreement:
    @every_group
    def test_both_sides_get_the_same_secret(self, group: NamedGroup) -> None:
        client = generate(group)
        server_share, secret = respond(group, client.share)
        assert client.group == group
        assert client.shared_secret(server_share) == secret
        assert (len(client.share), len(server_share), len(secret)) == SIZES[group]

    @every_group
    def test_keys_are_new_each_time(self, group: NamedGroup) -> None:
        client = generate(group)
        assert generate(group).share != client.share
        (first, first_secret), (second, second_secret) = respond(group, client.share), respond(group, client.share)
        assert first != second
        assert first_secret != second_secret

    @given(st.integers(1, 2**200))
    @settings(max_examples=10)
    def test_a_given_key_answers_as_a_server(self, scalar: int) -> None:
        client = generate(P256)
        share, secret = respond_with(ec.derive_private_key(scalar, ec.SECP256R1()), client.share)
        assert client.shared_secret(share) == secret


class TestKnownVectors:
    @pytest.mark.parametrize("name", rfc8448.NAMES)
    def test_rfc8448(self, name: str) -> None:
        trace = rfc8448.trace(name)
        client_key, server_key = trace.client.keys[-1], trace.server.keys[-1]
        client, server = (self.key(key.group, key.private_key) for key in (client_key, server_key))
        exchange = EcdheKeyExchange(client)
        assert exchange.share == client_key.public_key
        assert exchange.shared_secret(server_key.public_key) == trace.secrets["shared"]
        assert respond_with(server, client_key.public_key) == (server_key.public_key, trace.secrets["shared"])

    @staticmethod
    def key(group: int, private_key: bytes) -> X25519PrivateKey | ec.EllipticCurvePrivateKey:
        if group == X25519:
            return X25519PrivateKey.from_private_bytes(private_key)
        return ec.derive_private_key(int.from_bytes(private_key, "big"), ec.SECP256R1())

    def test_rfc7748(self) -> None:
        """Section 6.1."""
        alice = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
        bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
        exchange = EcdheKeyExchange(X25519PrivateKey.from_private_bytes(alice))
        share, secret = respond_with(X25519PrivateKey.from_private_bytes(bob), exchange.share)
        assert exchange.share.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
        assert secret.hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
        assert exchange.shared_secret(share) == secret

    def test_leading_zeros_of_the_secret_stay(self) -> None:
        """Section 7.4.2: Z must not be truncated."""
        base = ec.derive_private_key(1, ec.SECP256R1())
        for scalar in range(2, 3000):
            share, secret = respond_with(ec.derive_private_key(scalar, ec.SECP256R1()), EcdheKeyExchange(base).share)
            if secret[0] == 0:
                assert secret == share[1:33]  # with the private key 1, the secret is the x coordinate of the share
                assert len(secret) == 32
                return
        pytest.fail("no secret begins with a zero, of which there should be about twelve")


class TestX25519Shares:
    @pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:8])
    @pytest.mark.parametrize("top_bit", [0, 0x80])
    def test_of_small_order_are_refused(self, point: bytes, top_bit: int) -> None:
        share = point[:-1] + bytes([point[-1] | top_bit])  # RFC 7748, section 5: the top bit is masked
        assert "small order" in refused(X25519, share)
        assert "small order" in refused_by_client(X25519, share)

    @pytest.mark.parametrize("size", [0, 1, 31, 33, 65])
    def test_of_wrong_length_are_refused(self, size: int) -> None:
        assert f"not {size}" in refused(X25519, b"\x09" * size)
        assert f"not {size}" in refused_by_client(X25519, b"\x09" * size)


@pytest.mark.parametrize("group", [P256, P384], ids=lambda group: group.name)
class TestPoints:
    @staticmethod
    def point(group: NamedGroup, form: PublicFormat = PublicFormat.UncompressedPoint) -> bytes:
        curve = ec.SECP256R1() if group == P256 else ec.SECP384R1()
        return ec.generate_private_key(curve).public_key().public_bytes(Encoding.X962, form)

    def test_off_the_curve_are_refused(self, group: NamedGroup) -> None:
        point = self.point(group)
        off = point[:-1] + bytes([point[-1] ^ 1])
        assert "not a point on the curve" in refused(group, off)
        assert "not a point on the curve" in refused_by_client(group, off)

    def test_compressed_are_refused(self, group: NamedGroup) -> None:
        assert "uncompressed" in refused(group, self.point(group, PublicFormat.CompressedPoint))

    @pytest.mark.parametrize("form", [0, 2, 3, 5, 6, 7, 0x84])
    def test_of_another_form_are_refused(self, group: NamedGroup, form: int) -> None:
        """Among them the hybrid forms 6 and 7 of X9.62, which have the right length and which OpenSSL reads."""
        assert "uncompressed" in refused(group, bytes([form]) + self.point(group)[1:])

    def test_infinity_is_refused(self, group: NamedGroup) -> None:
        assert "uncompressed" in refused(group, b"\0")
        assert "not a point on the curve" in refused(group, b"\4" + bytes(len(self.point(group)) - 1))

    def test_coordinates_beyond_the_field_are_refused(self, group: NamedGroup) -> None:
        size = (len(self.point(group)) - 1) // 2
        assert "not a point on the curve" in refused(group, b"\4" + b"\xff" * (2 * size))

    @pytest.mark.parametrize("change", [-65, -2, -1, 1, 32])
    def test_of_wrong_length_are_refused(self, group: NamedGroup, change: int) -> None:
        share = (self.point(group) + bytes(32))[: len(self.point(group)) + change]
        assert "uncompressed point" in refused(group, share)

    def test_of_the_other_curve_are_refused(self, group: NamedGroup) -> None:
        assert "uncompressed point" in refused(group, self.point(P384 if group == P256 else P256))


class TestPointNotReduced:
    def test_x_plus_the_prime_is_refused(self) -> None:
        """Step 2 of section 4.2.8.2: the same point with x not in [0, p - 1]. Of P-256 there is one with x = 5."""
        y = pow(5**3 - 3 * 5 + 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B, (P + 1) // 4, P)
        good = b"\4" + (5).to_bytes(32, "big") + y.to_bytes(32, "big")
        bad = b"\4" + (5 + P).to_bytes(32, "big") + y.to_bytes(32, "big")
        assert len(respond(P256, good)[1]) == 32
        assert "not a point on the curve" in refused(P256, bad)


@pytest.mark.skipif(HYBRID not in supported_groups(), reason="the cryptography library has no ML-KEM")
class TestHybrid:
    def test_is_ml_kem_then_x25519(self) -> None:
        mlkem, x25519 = MLKEM768PrivateKey.generate(), X25519PrivateKey.generate()
        client = HybridKeyExchange(mlkem, x25519)
        assert client.share == mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        share, secret = respond(HYBRID, client.share)
        assert secret[:32] == mlkem.decapsulate(share[:1088])
        assert secret[32:] == EcdheKeyExchange(x25519).shared_secret(share[1088:])

    @pytest.mark.parametrize("size", [0, 32, 1184, 1215, 1217])
    def test_client_shares_of_wrong_length_are_refused(self, size: int) -> None:
        assert f"not {size}" in refused(HYBRID, (generate(HYBRID).share + b"\0")[:size])

    @pytest.mark.parametrize("size", [0, 32, 1088, 1119, 1121])
    def test_server_shares_of_wrong_length_are_refused(self, size: int) -> None:
        client = generate(HYBRID)
        share = respond(HYBRID, client.share)[0]
        with pytest.raises(TLSError) as caught:
            client.shared_secret((share + b"\0")[:size])
        assert caught.value.alert is AlertDescription.ILLEGAL_PARAMETER

    @pytest.mark.parametrize("value", [Q, Q + 1, 2**12 - 1])
    @pytest.mark.parametrize("place", [0, 1, 766, 767])
    def test_keys_with_a_coefficient_beyond_the_modulus_are_refused(self, value: int, place: int) -> None:
        """FIPS 203, section 7.2: the modulus check. Coefficients have 12 bits, two of them in three bytes."""
        assert "ML-KEM key" in refused(HYBRID, self.with_coefficient(generate(HYBRID).share, place, value))

    def test_the_greatest_coefficient_is_accepted(self) -> None:
        share, secret = respond(HYBRID, self.with_coefficient(generate(HYBRID).share, 0, Q - 1))
        assert (len(share), len(secret)) == (1120, 64)

    @staticmethod
    def with_coefficient(share: bytes, place: int, value: int) -> bytes:
        start = place // 2 * 3
        pair = int.from_bytes(share[start : start + 3], "little")
        shift = 12 * (place % 2)
        pair = pair & ~(0xFFF << shift) | value << shift
        return share[:start] + pair.to_bytes(3, "little") + share[start + 3 :]

    @pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:8])
    def test_x25519_points_of_small_order_are_refused(self, point: bytes) -> None:
        client = generate(HYBRID)
        assert "small order" in refused(HYBRID, client.share[:1184] + point)
        share = respond(HYBRID, client.share)[0]
        with pytest.raises(TLSError, match="small order"):
            client.shared_secret(share[:1088] + point)

    def test_a_ciphertext_that_was_tampered_with_gives_another_secret(self) -> None:
        """Implicit rejection (FIPS 203, section 6.3): the handshake fails later, at the Finished of the peer."""
        client = generate(HYBRID)
        share, secret = respond(HYBRID, client.share)
        other = client.shared_secret(bytes([share[0] ^ 1]) + share[1:])
        assert other[:32] != secret[:32]
        assert other[32:] == secret[32:]
