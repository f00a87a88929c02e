"""Whether the peer's certificates are to be believed (RFC 8446, section 4.4.2; RFC 5280, section 6).

The library's verifier decides. What it reports is one error with a text; the alert that the peer is told (section 6.2)
is found by looking for the cause:

==========================================================================================  =======================
the certificate is not valid yet or any more                                                certificate_expired
no path to a trust anchor: missing issuer, self-signed, chain too long                      unknown_ca
an issuer that is no authority, or not so far up (basicConstraints, keyCertSign)            unknown_ca
another name than the server's; no subjectAltName                                           bad_certificate
malformed DER; a wrong signature; MD5, SHA-1 and such; RSA keys of less than 2048 bits      bad_certificate
keyUsage without digitalSignature; extended key usage for another purpose                   unsupported_certificate
a key that no signature scheme fits; a critical extension that nobody knows                 unsupported_certificate
anything else, such as name constraints                                                     certificate_unknown
==========================================================================================  =======================

This asks for less than the library's own profile, which is that of the public web: no extension is needed but
basicConstraints of authorities and subjectAltName of servers. Revocation is not looked at.

A certificate that is itself a trust anchor is believed whatever its signature, its issuer, its critical extensions or
the size of its key, self-signed or an authority's: the user has chosen this very one. Time, name and usage must fit.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    VerificationError,
)

from impl.tls13.alerts import TLSError, decode_error
from impl.tls13.certificates.parsing import (
    bad_certificate,
    describe,
    extension,
    parse_certificate,
    unsupported_certificate,
)
from impl.tls13.certificates.path import (
    MAX_DEPTH,
    allows_purpose,
    check_key_size,
    check_validity,
    find_path,
    is_beyond_library,
    unknown_ca,
)
from impl.tls13.certificates.server_names import ServerName, is_named, parse_server_name
from impl.tls13.certificates.trust_store import TrustStore
from impl.tls13.registries import AlertDescription
from impl.tls13.signatures import schemes_for

_MAX_CERTIFICATES: Final = 32
"""More than this no path can use (MAX_DEPTH), cross-signed ones included, and looking through them costs time."""

_NAMES_SHOWN: Final = 5


def verify_server(
    chain: Sequence[bytes], *, server_name: str | None, trust: TrustStore | None, now: float
) -> tuple[x509.Certificate, ...]:
    """Verify the certificates of a server.

    Args:
        chain: what it has shown (DER): its own certificate first, others in any order.
        server_name: the host name or IP address that it must have; None to accept any.
        trust: whose certificates are believed; None to believe anybody: only the form and the kind of key matter then.
        now: POSIX seconds.

    Returns:
        The certification path from the server's certificate to the trust anchor; without `trust` the chain as it is.

    Raises:
        TLSError: see the top of this module; decode_error if the chain is empty (section 4.4.2.4).
        ValueError: `server_name` is neither a host name nor an IP address.

    """
    name = None if server_name is None else parse_server_name(server_name)
    if not chain:
        raise decode_error("the server shows no certificate (section 4.4.2.4)")
    return _verify(chain, ExtendedKeyUsageOID.SERVER_AUTH, name, trust, now)


def verify_client(chain: Sequence[bytes], *, trust: TrustStore | None, now: float) -> tuple[x509.Certificate, ...]:
    """Verify the certificates of a client, which need no particular name.

    As ``verify_server``, with the purpose clientAuth. TLSError is certificate_required if the chain is empty.
    """
    if not chain:
        raise TLSError(AlertDescription.CERTIFICATE_REQUIRED, "the client shows no certificate (section 4.4.2.4)")
    return _verify(chain, ExtendedKeyUsageOID.CLIENT_AUTH, None, trust, now)


def _verify(
    chain: Sequence[bytes],
    purpose: x509.ObjectIdentifier,
    name: ServerName | None,
    trust: TrustStore | None,
    now: float,
) -> tuple[x509.Certificate, ...]:
    leaf, *others = map(parse_certificate, chain)
    if not schemes_for(leaf):
        raise unsupported_certificate(
            f"the key of {describe(leaf.subject)} fits no signature scheme that may stand in CertificateVerify"
        )
    if trust is None:
        return (leaf, *others)
    if len(chain) > _MAX_CERTIFICATES:
        raise unknown_ca(f"a chain of {len(chain)} certificates; the most is {_MAX_CERTIFICATES}")
    moment = datetime.fromtimestamp(int(now), UTC)  # certificates count seconds
    check_validity(leaf, moment)
    _check_usage(leaf, purpose)
    if name is not None and not is_named(leaf, name):
        raise bad_certificate(_misnamed(leaf, name))
    if chain[0] in trust:
        return (leaf,)
    check_key_size(leaf)
    try:
        return _library_path(leaf, others, purpose, name, trust, moment)
    except VerificationError as error:
        path = find_path(leaf, others, trust=trust, moment=moment, purpose=purpose)
        if is_beyond_library(path):
            return path
        raise _unexplained(leaf, error) from error


def _library_path(
    leaf: x509.Certificate,
    others: list[x509.Certificate],
    purpose: x509.ObjectIdentifier,
    name: ServerName | None,
    trust: TrustStore,
    moment: datetime,
) -> tuple[x509.Certificate, ...]:
    policies = _POLICIES[purpose]
    builder = PolicyBuilder().store(trust.store).time(moment).max_chain_depth(MAX_DEPTH)
    if name is None:
        # The library's verifier of clients is the one that looks for no name; the purpose is in the policies.
        builder = builder.extension_policies(ca_policy=policies, ee_policy=_ANY_NAME)
        return tuple(builder.build_client_verifier().verify(leaf, others).chain)
    builder = builder.extension_policies(ca_policy=policies, ee_policy=_NAMED)
    return tuple(builder.build_server_verifier(name).verify(leaf, others))


def _ca_policy(purpose: x509.ObjectIdentifier) -> ExtensionPolicy:
    """Make the policy for the extensions of authorities; the library itself enforces basicConstraints' content."""

    def may_issue_for_purpose(_: Policy, issuer: x509.Certificate, usage: x509.ExtendedKeyUsage | None) -> None:
        if not allows_purpose(usage, purpose):
            raise ValueError(f"the extended key usage of {describe(issuer.subject)} is for other purposes")

    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, Criticality.AGNOSTIC, None)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_sign_certificates)
        .may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, may_issue_for_purpose)
    )


def _may_sign_certificates(_: Policy, issuer: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError(f"the key usage of {describe(issuer.subject)} does not allow it to sign certificates")


_POLICIES: Final = {
    purpose: _ca_policy(purpose) for purpose in (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
}
# What else a peer's own certificate must have, ``_verify`` has looked at.
_ANY_NAME: Final = ExtensionPolicy.permit_all()
_NAMED: Final = _ANY_NAME.require_present(x509.SubjectAlternativeName, Criticality.AGNOSTIC, None)


def _check_usage(leaf: x509.Certificate, purpose: x509.ObjectIdentifier) -> None:
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        raise unsupported_certificate(
            f"the key usage of {describe(leaf.subject)} does not allow digital signatures (section 4.4.2.2)"
        )
    purposes = extension(leaf, x509.ExtendedKeyUsage)
    if purposes is not None and purpose not in purposes:
        role = "servers" if purpose == ExtendedKeyUsageOID.SERVER_AUTH else "clients"
        raise unsupported_certificate(f"the extended key usage of {describe(leaf.subject)} is not for TLS {role}")


def _misnamed(leaf: x509.Certificate, name: ServerName) -> str:
    names = extension(leaf, x509.SubjectAlternativeName)
    if names is None:
        return f"the certificate of {describe(leaf.subject)} has no subjectAltName, and so is not for {name.value}"
    known = [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
    shown = ", ".join(known[:_NAMES_SHOWN]) + (" and others" if len(known) > _NAMES_SHOWN else "")
    return f"the certificate is not for {name.value}, but for {shown or 'no server'}"


def _unexplained(leaf: x509.Certificate, error: VerificationError) -> TLSError:
    understood = f"the certificate of {describe(leaf.subject)} is refused: {error}"
    if "critical extension" in str(error):
        return unsupported_certificate(understood)
    return TLSError(AlertDescription.CERTIFICATE_UNKNOWN, understood)
