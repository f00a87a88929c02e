"""Measuring a run: counters, TCP_INFO, the machine, calibration, latency probes, goodput and packet captures."""
