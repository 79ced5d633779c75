"""Wires the clouds' adapters: ambient federated credentials, or the sandbox's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipeline.errors import CloudError
from pipeline.values.ids import Cloud

if TYPE_CHECKING:
    from pipeline.clouds.interface import CloudReader, CloudWriter
    from pipeline.config import Settings


class Clouds:
    """Readers and writers of the clouds that are needed, each connected once.

    A cloud whose credentials are missing is left out, with the reason in `missing`: its
    targets then count as unreachable. *pause* waits that many seconds.
    """

    def __init__(
        self, settings: Settings, *, needed: frozenset[Cloud], pause: Callable[[float], None]
    ) -> None:
        self._pause = pause
        self.needed = needed
        self.readers: dict[Cloud, CloudReader] = {}
        self.writers: dict[Cloud, CloudWriter] = {}
        self.missing: dict[Cloud, str] = {}
        for cloud, connect in (
            (Cloud.AWS, self._aws),
            (Cloud.AZURE, self._azure),
            (Cloud.GCP, self._gcp),
        ):
            if cloud not in needed:
                continue
            try:
                connect(settings)
            except CloudError as error:
                self.missing[cloud] = str(error)

    def _aws(self, settings: Settings) -> None:
        from pipeline.clouds.aws.adapter import Accounts, AwsReader, AwsWriter

        sandbox = settings.sandbox
        if sandbox is None:
            accounts = Accounts(role=settings.aws_role)
        else:
            accounts = Accounts(
                role=settings.aws_role,
                endpoint=sandbox.aws["endpoint"],
                credentials={k: v for k, v in sandbox.aws.items() if k != "endpoint"},
            )
        boundary = settings.aws_boundary
        self.readers[Cloud.AWS] = AwsReader(accounts, boundary=boundary)
        self.writers[Cloud.AWS] = AwsWriter(accounts, boundary=boundary, pause=self._pause)

    def _azure(self, settings: Settings) -> None:
        from pipeline.clouds.azure.adapter import AzureReader, AzureWriter
        from pipeline.clouds.azure.api import PUBLIC, StaticToken

        sandbox = settings.sandbox
        credential: Any
        if sandbox is None:
            from azure.identity import DefaultAzureCredential

            endpoint, credential = PUBLIC, DefaultAzureCredential()
        else:
            endpoint, credential = sandbox.azure["endpoint"], StaticToken(sandbox.azure["token"])
        self.readers[Cloud.AZURE] = AzureReader(
            credential,
            endpoint=endpoint,
            requestor=settings.azure_requestor,
            pause=self._pause,
        )
        self.writers[Cloud.AZURE] = AzureWriter(
            credential,
            endpoint=endpoint,
            requestor=settings.azure_requestor,
            pause=self._pause,
        )

    def _gcp(self, settings: Settings) -> None:
        from pipeline.clouds.gcp.adapter import GcpReader, GcpWriter

        sandbox = settings.sandbox
        credentials: Any
        if sandbox is None:
            import google.auth
            from google.auth.exceptions import DefaultCredentialsError

            try:
                credentials, _ = google.auth.default(
                    scopes=["https://www.googleapis.com/auth/cloud-platform"]
                )
            except DefaultCredentialsError as error:
                raise CloudError(f"no credentials for gcp: {error}") from error
            endpoint = None
        else:
            from google.oauth2.credentials import Credentials

            endpoint, credentials = (
                sandbox.gcp["endpoint"],
                Credentials(  # type: ignore[no-untyped-call]
                    sandbox.gcp["token"]
                ),
            )
        with warnings.catch_warnings():
            # The library warns about interpreters that will lose support some day.
            warnings.simplefilter("ignore", FutureWarning)
            self.readers[Cloud.GCP] = GcpReader(
                credentials=credentials, endpoint=endpoint, pause=self._pause
            )
            self.writers[Cloud.GCP] = GcpWriter(
                credentials=credentials, endpoint=endpoint, pause=self._pause
            )
