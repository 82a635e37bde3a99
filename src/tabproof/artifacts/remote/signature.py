"""Sign the manifest of a model, which has the hashes of all other files, and verify signatures.

The format is that of OpenSSF model signing 1.0: a DSSE envelope in a sigstore bundle, over an
in-toto statement with the model's name in the registry and the hash of its manifest. Of its three
methods `key` is supported, and neither `certificate` nor `sigstore`. Verifying needs only
cryptography; `model_signing verify` reads the signatures too.
"""

import hashlib
import tempfile
from base64 import b64decode
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from tabproof.artifacts import manifest as manifests
from tabproof.artifacts.files import read_json, read_limited
from tabproof.errors import PackageMissingError, UserError

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
except ImportError as error:
    raise PackageMissingError("a signature", "cryptography", "store") from error

PEM_HEADER = "-----BEGIN "
MAX_KEY = 64 << 10
# The curves that model-signing supports, each with its hash.
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "secp256r1": hashes.SHA256,
    "secp384r1": hashes.SHA384,
    "secp521r1": hashes.SHA512,
}

# The schemas of the specification, version 1.0. Inside entries of a transparency log and timestamps
# nothing is checked: a key does not use them.
Text = Annotated[str, Meta(min_length=1)]
Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]+\Z")]
Algorithm = Literal["sha256", "blake2b", "blake3"]
PayloadType = Literal["application/vnd.in-toto+json"]
# Of the bundle, as sigstore's specification lists them.
MEDIA_TYPE = r"^application/vnd\.dev\.sigstore\.bundle(\.v0\.3\+json|\+json;version=0\.[123])\Z"


class Signature(Struct, forbid_unknown_fields=True):
    """One signature of an envelope."""

    sig: Text
    keyid: str | None = None


class Envelope(Struct, forbid_unknown_fields=True, rename="camel"):
    """A statement, and the signatures of its bytes."""

    payload: Text
    payload_type: PayloadType
    signatures: Annotated[list[Signature], Meta(min_length=1)]


class PublicKey(Struct, rename="camel"):
    """What names a key; versions before 1.1 held it instead."""

    hint: str | UnsetType = UNSET
    raw_bytes: str | UnsetType = UNSET


class VerificationMaterial(Struct, rename="camel"):
    """By which of the three methods the model was signed."""

    public_key: PublicKey | UnsetType = UNSET
    x509_certificate_chain: Any = UNSET
    certificate: Any = UNSET
    tlog_entries: tuple[dict[str, Any], ...] = ()
    timestamp_verification_data: dict[str, Any] = {}


class Bundle(Struct, forbid_unknown_fields=True, rename="camel"):
    """The file of a signature."""

    media_type: Annotated[str, Meta(pattern=MEDIA_TYPE)]
    verification_material: VerificationMaterial
    dsse_envelope: Envelope


class Subject(Struct):
    """The model as a whole."""

    name: Text
    digest: Annotated[dict[str, Hex], Meta(min_length=1)]


class Resource(Struct):
    """A file of the model."""

    name: Text
    digest: Hex
    algorithm: Algorithm


class Serialization(Struct, forbid_unknown_fields=True):
    """How the files were found and hashed."""

    method: Literal["files", "shards"]
    hash_type: Algorithm
    allow_symlinks: bool
    shard_size: Annotated[int, Meta(gt=0)] | UnsetType = UNSET
    ignore_paths: tuple[Text, ...] = ()


class Predicate(Struct, forbid_unknown_fields=True):
    """What is said of the subject."""

    resources: Annotated[list[Resource], Meta(min_length=1)]
    serialization: Serialization


class Statement(Struct, forbid_unknown_fields=True, rename="camel"):
    """What is signed."""

    kind: Literal["https://in-toto.io/Statement/v1"] = field(name="_type")
    subject: Annotated[list[Subject], Meta(min_length=1, max_length=1)]
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: Predicate


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
            statement = self.read(signature)
        except ValueError as error:
            raise refusal(reason=str(error)) from error
        # The specification leaves the name to the reader. Here a version under another name is
        # another model.
        if statement.subject[0].name != name:
            raise refusal(reason="it was signed under another name")
        manifest = Resource(manifests.NAME, hashlib.sha256(sealed).hexdigest(), "sha256")
        if statement.predicate.resources != [manifest]:
            raise refusal(reason="its signature is of another model")

    def read(self, signature: bytes) -> Statement:
        """Return what a trusted key has signed; raise ValueError with the reason where none has."""
        try:
            bundle = read_json(signature, Bundle)
            envelope = bundle.dsse_envelope
            payload = b64decode(envelope.payload, validate=True)
            given = [b64decode(one.sig, validate=True) for one in envelope.signatures]
        except ValueError as error:
            raise ValueError(f"its signature is damaged: {error}") from error
        material = bundle.verification_material
        if (material.certificate, material.x509_certificate_chain) != (UNSET, UNSET):
            reason = "it was signed with a certificate, and only signatures by a key are supported"
            raise ValueError(reason)
        if material.public_key in (UNSET, PublicKey()):
            reason = "its signature is damaged: it has no publicKey with a hint or rawBytes"
            raise ValueError(reason)
        # DSSE's pre-authentication encoding (secure-systems-lab/dsse, protocol.md).
        kind = envelope.payload_type
        signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
        # Nothing of the payload is parsed before.
        if not any(_is_signed_by(key, one, signed) for key in self.keys for one in given):
            raise ValueError("it was signed by another key, or changed since")
        try:
            statement = read_json(payload, Statement)
        except ValueError as error:
            raise ValueError(f"what was signed is no model: {error}") from error
        how = statement.predicate.serialization
        if (how.method, how.hash_type) != ("files", "sha256"):
            found = f"{how.method} and {how.hash_type}"
            raise ValueError(f"it was signed with {found}, and only files and sha256 are supported")
        return statement


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
