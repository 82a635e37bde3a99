"""Sign the manifest of a model, which has the hashes of all other files, and verify signatures.

The format is that of model-signing 1.x: a DSSE envelope in a sigstore bundle, over an in-toto
statement with the model's name in the registry and the hash of its manifest. Verifying needs only
cryptography; `model_signing verify` reads the signatures too.
"""

import hashlib
import json
import tempfile
from base64 import b64decode
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.files import read_json, read_limited
from tabproof.errors import PackageMissingError, UserError

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


class SignatureError(UserError):
    """A model has no valid signature of a trusted key."""

    exit_code = 1
    template = (
        "model '{name}' {version} is refused, because MODEL_SIGNATURE_KEY requires a signature:"
        " {reason}; python -m src.runs push {name} --sign KEY signs it"
    )


class KeyUnusableError(UserError):
    """A key that can neither sign nor verify."""

    template = (
        "{option} {reason}; it takes a PEM of a curve P-256, P-384 or P-521, as in openssl ecparam"
        " -name prime256v1 -genkey"
    )

    def __init__(self, reason: str, option: str = "MODEL_SIGNATURE_KEY") -> None:
        super().__init__(option=option, reason=reason)


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
            raise KeyUnusableError(f"{private_key}: {error.strerror}", "--sign") from error
        except (ValueError, TypeError, AttributeError) as error:
            # TypeError: it has a password. AttributeError: another kind of key, or a public one.
            raise KeyUnusableError(f"{private_key} is no such private key", "--sign") from error
        signer.sign(model, signature)
        return signature.read_bytes()


@dataclass(frozen=True)
class SignatureKeys:
    """Trusted public keys: while a key is being replaced there are two."""

    keys: list[ec.EllipticCurvePublicKey]

    def check(self, name: str, version: str, sealed: bytes, signature: bytes | None) -> None:
        """Raise SignatureError where no trusted key has signed the manifest for this name."""
        refusal = partial(SignatureError, name=name, version=version)
        if signature is None:
            raise refusal(reason="it has none")
        try:
            envelope = read_json(signature, dict[str, Any])["dsseEnvelope"]
            kind, payload = envelope["payloadType"], b64decode(envelope["payload"], validate=True)
            given = [b64decode(one["sig"], validate=True) for one in envelope["signatures"]]
        except (KeyError, TypeError, ValueError) as error:
            raise refusal(reason="its signature is damaged") from error
        # DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md).
        head = f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} "
        # Nothing of the payload is parsed before.
        if kind != PAYLOAD_TYPE or not any(
            _is_signed_by(key, one, head.encode() + payload) for key in self.keys for one in given
        ):
            raise refusal(reason="it was signed by another key, or changed since")
        try:
            statement: Any = json.loads(payload)
            kinds = statement["_type"], statement["predicateType"]
            (subject,) = (each["name"] for each in statement["subject"])
            files = statement["predicate"]["resources"]
            hashed = {one["name"]: one["digest"] for one in files if one["algorithm"] == "sha256"}
        except (KeyError, TypeError, ValueError) as error:
            raise refusal(reason="what was signed is no model") from error
        if kinds != (STATEMENT, PREDICATE):
            raise refusal(reason="what was signed is no model")
        if subject != name:
            raise refusal(reason="it was signed under another name")
        if hashed != {manifests.NAME: hashlib.sha256(sealed).hexdigest()}:
            raise refusal(reason="its signature is of another model")


def _is_signed_by(key: ec.EllipticCurvePublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content, ec.ECDSA(HASHES[key.curve.name]()))
    except InvalidSignature:
        return False
    return True


def read_keys(text: str) -> SignatureKeys:
    """Read the value of MODEL_SIGNATURE_KEY: public keys as PEM texts, or a file of them."""
    content = text
    if not text.lstrip().startswith(PEM_HEADER):
        try:
            content = read_limited(Path(text), MAX_KEY).decode()
        except OSError as error:
            raise KeyUnusableError(f"cannot be read: {text}: {error.strerror}") from error
        except ValueError as error:
            raise KeyUnusableError(f"cannot be read: {text} is no text") from error
    blocks = [f"{PEM_HEADER}{block}" for block in content.split(PEM_HEADER)[1:]]
    try:
        keys = [serialization.load_pem_public_key(block.encode()) for block in blocks]
    except ValueError as error:
        raise KeyUnusableError("is no public key") from error
    curves = [key for key in keys if isinstance(key, ec.EllipticCurvePublicKey)]
    if not curves or len(curves) < len(keys) or {key.curve.name for key in curves} - set(HASHES):
        raise KeyUnusableError("holds no public key that models are signed with")
    return SignatureKeys(curves)
