"""Sign the manifest of a model, which has the hashes of all other files, and verify signatures.

The format is that of model-signing 1.x: a DSSE envelope in a sigstore bundle, over an in-toto
statement with the model's name in the registry and the hash of its manifest. Verifying needs only
cryptography; `model_signing verify` reads the signatures too.
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

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as error:
    raise PackageMissingError("a signature", "cryptography", "store") from error

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT, PREDICATE = "https://in-toto.io/Statement/v1", "https://model_signing/signature/v1.0"
PEM_HEADER = "-----BEGIN "
MAX_KEY = 64 << 10
# The curves that model-signing supports, each with its hash.
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}


def sign(name: str, sealed: bytes, private_key: Path) -> bytes:
    """Sign a manifest under the name of its model, with the private key of a PEM file."""
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
            reason = f"{private_key}: {error.strerror}"
            raise KeyUnusableError(option="--sign", reason=reason) from error
        except (ValueError, TypeError, AttributeError) as error:
            # TypeError: it has a password. AttributeError: another kind of key, or a public one.
            reason = f"{private_key} is no such private key"
            raise KeyUnusableError(option="--sign", reason=reason) from error
        signer.sign(model, signature)
        return signature.read_bytes()


class _Signature(msgspec.Struct):
    sig: str


class _Envelope(msgspec.Struct, rename="camel"):
    payload: str
    payload_type: str
    signatures: list[_Signature]


class _Bundle(msgspec.Struct, rename="camel"):
    dsse_envelope: _Envelope


class SignatureKeys:
    """Trusted public keys: while a key is being replaced there are two."""

    def __init__(self, keys: list[ec.EllipticCurvePublicKey]) -> None:
        self._keys = keys

    def check(self, name: str, version: str, sealed: bytes, signature: bytes | None) -> None:
        """Raise SignatureError where no trusted key has signed the manifest for this name."""
        reason = self._refusal(name, sealed, signature)
        if reason is not None:
            raise SignatureError(name=name, version=version, reason=reason)

    def _refusal(self, name: str, sealed: bytes, signature: bytes | None) -> str | None:
        if signature is None:
            return "it has none"
        try:
            subject, files = _signed_model(self._statement(signature))
        except ValueError as error:
            return str(error)
        if subject != name:
            return "it was signed under another name"
        if files != {manifests.NAME: hashlib.sha256(sealed).hexdigest()}:
            return "its signature is of another model"
        return None

    def _statement(self, signature: bytes) -> Any:
        """Return the signed statement, after its signature was verified."""
        try:
            envelope = read_json(signature, _Bundle).dsse_envelope
            payload = base64.b64decode(envelope.payload, validate=True)
            given = [base64.b64decode(one.sig, validate=True) for one in envelope.signatures]
        except ValueError as error:
            raise ValueError("its signature is damaged") from error
        # Nothing of the payload is parsed before.
        if envelope.payload_type != PAYLOAD_TYPE or not any(
            _is_signed_by(key, one, payload) for key in self._keys for one in given
        ):
            raise ValueError("it was signed by another key, or changed since")
        return json.loads(payload)


def _is_signed_by(key: ec.EllipticCurvePublicKey, signature: bytes, payload: bytes) -> bool:
    # DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md).
    head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} "
    try:
        key.verify(signature, head.encode() + payload, ec.ECDSA(HASHES[key.curve.name]()))
    except InvalidSignature:
        return False
    return True


def _signed_model(statement: Any) -> tuple[str, dict[str, str]]:
    """Return the name of the signed model, and the hashes of its files."""
    try:
        if (statement["_type"], statement["predicateType"]) == (STATEMENT, PREDICATE):
            (subject,) = statement["subject"]
            files = statement["predicate"]["resources"]
            hashed = {one["name"]: one["digest"] for one in files if one["algorithm"] == "sha256"}
            return str(subject["name"]), hashed
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError("what was signed is no model")


def read_keys(text: str) -> SignatureKeys:
    """Read the value of MODEL_SIGNATURE_KEY: public keys as PEM texts, or a file of them."""
    content = text if text.lstrip().startswith(PEM_HEADER) else _read_key_file(Path(text))
    blocks = [f"{PEM_HEADER}{block}" for block in content.split(PEM_HEADER)[1:]]
    try:
        keys = [serialization.load_pem_public_key(block.encode()) for block in blocks]
    except ValueError as error:
        raise _unusable("is no public key") from error
    curves = [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey)]
    if not curves or len(curves) < len(keys) or {key.curve.name for key in curves} - set(HASHES):
        raise _unusable("holds no public key that models are signed with")
    return SignatureKeys(curves)


def _read_key_file(path: Path) -> str:
    try:
        return read_limited(path, MAX_KEY).decode()
    except OSError as error:
        raise _unusable(f"cannot be read: {path}: {error.strerror}") from error
    except ValueError as error:
        raise _unusable(f"cannot be read: {path} is no text") from error


def _unusable(reason: str) -> KeyUnusableError:
    return KeyUnusableError(option="MODEL_SIGNATURE_KEY", reason=reason)
