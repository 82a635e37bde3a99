"""Signing a model, by model-signing: `model_signing verify` reads it too.

Only the manifest is signed, under the model's name; it holds the run id and every file's hash.
"""

import tempfile
from pathlib import Path

from src.errors import KeyUnusableError, PackageMissingError
from src.runs import manifest as manifests


def sign(name: str, sealed: bytes, private_key: Path) -> bytes:
    """Sign a manifest under the name of its model; private_key: a file, PEM."""
    try:
        from model_signing import signing
    except ImportError as error:
        raise PackageMissingError("--sign", "model-signing", "signing") from error
    with tempfile.TemporaryDirectory() as folder:
        # What model-signing calls a model is a directory, and its name.
        model, signature = Path(folder) / name, Path(folder) / ".signature"
        model.mkdir()
        (model / manifests.NAME).write_bytes(sealed)
        try:
            signer = signing.Config().use_elliptic_key_signer(private_key=private_key)
        except OSError as error:
            raise KeyUnusableError("--sign", f"{private_key}: {error.strerror}") from error
        except (ValueError, TypeError, AttributeError) as error:
            # TypeError: it has a password. AttributeError: another kind of key, or a public one.
            raise KeyUnusableError("--sign", f"{private_key} is no such private key") from error
        signer.sign(model, signature)
        return signature.read_bytes()
