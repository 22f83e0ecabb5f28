"""S3 on loopback, played by moto's server. Not imitated: who may do what, throttling, and regions that redirect.

Moto takes any credentials and holds requests against no published description; what it checks is what moto knows.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def s3(monkeypatch: pytest.MonkeyPatch, *buckets: str) -> Iterator[str]:
    """The address of an S3 with these buckets, which the environment's variables point to while the block runs."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    for name, value in {
        "AWS_ENDPOINT_URL_S3": address,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
        client = boto3.client("s3", endpoint_url=address)
        for bucket in buckets:
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield address
    finally:
        server.stop()
