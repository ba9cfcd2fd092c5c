"""Where a secret may be kept other than in a file: a keyring, or a key management service."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from linkkit.errors import DependencyError, LinkkitError, SecretError

__all__ = ["KeyService", "keyring_text", "put_into_keyring", "unwrapped"]

_MAX_WRAPPED_BYTES = 64 * 1024
_INSECURE = ("keyrings.alt.", "keyring.backends.null", "keyring.backends.fail")


@runtime_checkable
class KeyService(Protocol):
    """A key management service, as linkkit needs it: anything that unwraps.

    Examples
    --------
    A cloud's service is a few lines; the client and its rights are the organization's own:

    >>> class CloudKeys:
    ...     def __init__(self, client, key_id):
    ...         self.client, self.key_id = client, key_id
    ...
    ...     def unwrap(self, wrapped: bytes) -> bytes:
    ...         answer = self.client.decrypt(KeyId=self.key_id, CiphertextBlob=wrapped)
    ...         return answer["Plaintext"]
    >>> isinstance(CloudKeys(client=None, key_id="alias/linkage"), KeyService)
    True
    """

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the 32 bytes of the secret that `wrapped` holds encrypted."""
        ...


def unwrapped(service: KeyService, wrapped: bytes | str | Path) -> bytes:
    """Let a service unwrap a secret; its own error is named and not passed on."""
    if isinstance(wrapped, (str, Path)):
        wrapped = _read_wrapped(Path(wrapped))
    problem = ""
    try:
        return service.unwrap(wrapped)
    except Exception as error:  # noqa: BLE001  # any client's; its text could hold the key
        problem = type(error).__name__
    raise SecretError(
        f"the key management service did not unwrap the secret ({problem})",
        hint="Check the service's own log, the key that it should use, and your rights.",
    )


def _read_wrapped(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_WRAPPED_BYTES)
    except (OSError, ValueError) as error:
        problem = f"the wrapped secret cannot be read ({type(error).__name__})"
    raise SecretError(problem, hint="Give the path of what the service wrapped.")


def keyring_text(service: str, name: str) -> str:
    """Return what the system's keyring holds under a name, or an empty string."""
    keyring = _keyring()
    problem = ""
    try:
        return keyring.get_password(service, name) or ""
    except Exception as error:  # noqa: BLE001  # backends raise what they like
        problem = type(error).__name__
    raise _unusable(problem)


def put_into_keyring(text: str, service: str, name: str) -> None:
    """Keep a text in the system's keyring; an entry is never overwritten."""
    taken = False
    refusal: LinkkitError
    try:
        taken = bool(keyring_text(service, name))
        if not taken:
            _keyring().set_password(service, name, text)
    except LinkkitError as error:
        refusal = error.with_traceback(None)
    except Exception as error:  # noqa: BLE001  # backends raise what they like
        refusal = _unusable(type(error).__name__)
    else:
        if not taken:
            return
        refusal = SecretError(
            f"the keyring has an entry '{name}' of '{service}', and a key is never overwritten",
            hint="Choose another name, or remove the entry.",
        )
    del text  # some tracebacks show local variables
    raise refusal


def _keyring() -> Any:
    keyring: Any = None
    try:
        keyring = import_module("keyring")
    except ImportError:
        pass
    if keyring is None:
        raise DependencyError(
            "a keyring needs the package 'keyring', which is not installed",
            hint="Install it: pip install 'linkkit[keyring]'.",
        )
    backend = type(keyring.get_keyring())
    if f"{backend.__module__}.".startswith(_INSECURE):
        raise SecretError(
            f"this system has no keyring that protects a key (found {backend.__module__})",
            hint="Use a file that only you may read: Secret.load('linkage.key').",
        )
    return keyring


def _unusable(problem: str) -> SecretError:
    return SecretError(
        f"the system's keyring cannot be used ({problem})",
        hint="Unlock it, or use a file that only you may read: Secret.load('linkage.key').",
    )
