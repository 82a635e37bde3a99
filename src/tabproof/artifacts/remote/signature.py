"""Who vouches for a model: a signature over its manifest, which vouches for every other file.

The form is that of model-signing 1.x (a DSSE envelope in a sigstore bundle, over an in-toto
statement). What is signed names the model as the registry does, and the manifest by its hash;
the run id stands in the manifest. Verifying needs cryptography alone; see signing for the rest.
"""

import base64
import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.errors import KeyUnusableError, SignatureError
from tabproof.artifacts.files import read_json, read_limited
from tabproof.errors import PackageMissingError

# --- Signing a model, by model-signing: `model_signing verify` reads it too.


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


try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as error:
    raise PackageMissingError("a signature", "cryptography", "store") from error

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://model_signing/signature/v1.0"
MARK = "-----BEGIN "
MAX_KEY = 64 << 10
# The curves that model-signing takes, each with its hash.
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}


class _Signature(msgspec.Struct):
    sig: str


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Bundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope


class SignatureKeys:
    """Public keys, any of which is trusted: while keys are exchanged there are two."""

    def __init__(self, keys: list[ec.EllipticCurvePublicKey]) -> None:
        self._keys = keys

    def check(self, name: str, version: str, sealed: bytes, signature: bytes | None) -> None:
        """Refuse a manifest that no key of ours has signed for this name; raises SignatureError."""
        if signature is None:
            raise SignatureError(name, version, "it has none")
        try:
            statement = self._statement(signature)
            subject, files = _subject_of(statement), _signed_files(statement)
        except ValueError as error:
            raise SignatureError(name, version, str(error)) from error
        if subject != name:
            raise SignatureError(name, version, "it was signed under another name")
        if files != {manifests.NAME: hashlib.sha256(sealed).hexdigest()}:
            raise SignatureError(name, version, "its signature is of another model")

    def _statement(self, signature: bytes) -> Any:
        try:
            envelope = read_json(signature, _Bundle).dsse_envelope
            payload = base64.b64decode(envelope.payload, validate=True)
            given = [base64.b64decode(one.sig, validate=True) for one in envelope.signatures]
        except ValueError as error:
            raise ValueError("its signature is damaged") from error
        # Until then not even its form is looked at.
        if envelope.payload_type != PAYLOAD_TYPE or not any(
            _is_by(key, one, payload) for key in self._keys for one in given
        ):
            raise ValueError("it was signed by another key, or changed since")
        return json.loads(payload)


def _is_by(key: ec.EllipticCurvePublicKey, signature: bytes, payload: bytes) -> bool:
    # DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md).
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} "
    try:
        key.verify(signature, head.encode() + payload, ec.ECDSA(HASHES[key.curve.name]()))
    except InvalidSignature:
        return False
    return True


def _subject_of(statement: Any) -> str:
    try:
        if (statement["_type"], statement["predicateType"]) != (STATEMENT, PREDICATE):
            raise ValueError("what was signed is no model")
        (subject,) = statement["subject"]
        return str(subject["name"])
    except (KeyError, TypeError) as error:
        raise ValueError("what was signed is no model") from error


def _signed_files(statement: Any) -> dict[str, str]:
    try:
        resources = statement["predicate"]["resources"]
        return {one["name"]: one["digest"] for one in resources if one["algorithm"] == "sha256"}
    except (KeyError, TypeError) as error:
        raise ValueError("what was signed is no model") from error


def read_keys(text: str) -> SignatureKeys:
    """Read public keys, one PEM after the other, or the file that holds them."""
    which = "MODEL_SIGNATURE_KEY"
    content = text if text.lstrip().startswith(MARK) else _content(which, Path(text))
    blocks = [f"{MARK}{block}" for block in content.split(MARK)[1:]]
    try:
        keys = [serialization.load_pem_public_key(block.encode()) for block in blocks]
    except ValueError as error:
        raise KeyUnusableError(which, "is no public key") from error
    curves = [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey)]
    if not curves or len(curves) < len(keys) or {key.curve.name for key in curves} - set(HASHES):
        raise KeyUnusableError(which, "holds no public key that models are signed with")
    return SignatureKeys(curves)


def _content(which: str, path: Path) -> str:
    try:
        return read_limited(path, MAX_KEY).decode()
    except OSError as error:
        raise KeyUnusableError(which, f"cannot be read: {path}: {error.strerror}") from error
    except ValueError as error:
        raise KeyUnusableError(which, f"cannot be read: {path} is no text") from error
