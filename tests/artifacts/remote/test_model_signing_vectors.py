"""Signatures follow the OpenSSF model signing specification 1.0: its schemas and its vectors.

Of its three methods ours is `key`. Valid bundles of the two others need a certificate authority or
an identity service, and are refused with a message that says so.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from copy import deepcopy
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_der_x509_certificate
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from tabproof.artifacts.remote.signature import HASHES, SignatureError, SignatureKeys, sign
from tests.artifacts.remote.conftest import A
from tests.artifacts.remote.test_signature import SEALED, keys_named
from tests.conftest import ROOT

OMS = ROOT / ".." / "shared" / "oms"
VECTORS, SCHEMAS = OMS / "test-vectors" / "v1.0", OMS / "schemas" / "v1.0"
CERTIFICATE = "signed with a certificate, and only signatures by a key are supported"
# Each vector, and the reason for which ours refuses it. missing-tlog-entries is of the method
# `sigstore`, which ours refuses before it looks for what the vector lacks.
REFUSED = {
    "valid/certificate": CERTIFICATE,
    "valid/sigstore": CERTIFICATE,
    "invalid/empty": "is damaged: has the wrong form: Expecting value",
    "invalid/missing-envelope": "is damaged.*missing required field `dsseEnvelope`",
    "invalid/missing-verification-material": "is damaged.*missing .*`verificationMaterial`",
    "invalid/missing-tlog-entries": CERTIFICATE,
    # Its payload was changed after it was signed. See the payload below for the reason behind it.
    "invalid-payload/wrong-predicate": "by another key, or changed since",
}

pytestmark = pytest.mark.skipif(
    not OMS.is_dir(),
    reason="../shared/oms is absent: the vectors of the specification are not tested",
)


def vector(name: str) -> bytes:
    return (VECTORS / f"{name}.bundle.json").read_bytes()


@pytest.fixture(scope="module")
def theirs() -> SignatureKeys:
    """Return the key of the vectors, which the certificate among them holds."""
    material = json.loads(vector("valid/certificate"))["verificationMaterial"]
    leaf = material["x509CertificateChain"]["certificates"][0]["rawBytes"]
    key = load_der_x509_certificate(b64decode(leaf)).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    material = json.loads(vector("valid/key"))["verificationMaterial"]
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert material["publicKey"]["hint"] == sha256(pem).hexdigest()
    return SignatureKeys([key])


@pytest.fixture(scope="module")
def schemas() -> dict[str, Draft202012Validator]:
    """Return a validator of each of the four schemas."""
    read = {path.name.partition(".")[0]: json.loads(path.read_text()) for path in SCHEMAS.iterdir()}
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in read.values()
    )
    return {name: Draft202012Validator(schema, registry=registry) for name, schema in read.items()}


def wrapped(payload: bytes, private_key: Path) -> dict[str, Any]:
    """Sign a payload as it is; return the bundle."""
    key = load_pem_private_key(private_key.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    kind = "application/vnd.in-toto+json"
    signed = f"DSSEv1 {len(kind)} {kind} {len(payload)} ".encode() + payload
    made = key.sign(signed, ec.ECDSA(HASHES[key.curve.name]()))
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {
            "payload": b64encode(payload).decode(),
            "payloadType": kind,
            "signatures": [{"sig": b64encode(made).decode()}],
        },
    }


def as_bytes(tree: Any) -> bytes:
    return json.dumps(tree).encode()


def payload_of(bundle: bytes) -> bytes:
    return b64decode(json.loads(bundle)["dsseEnvelope"]["payload"])


def test_all_vectors_are_tested() -> None:
    found = {str(path.relative_to(VECTORS)) for path in VECTORS.rglob("*.json")}
    assert found == {f"{name}.bundle.json" for name in ("valid/key", *REFUSED)}


def test_the_valid_bundle_by_a_key_is_accepted(theirs: SignatureKeys) -> None:
    statement = theirs.read(vector("valid/key"))
    assert [one.name for one in statement.predicate.resources] == ["signme-1", "signme-2"]
    # It is no model of ours.
    with pytest.raises(SignatureError, match="is of another model"):
        theirs.check("model", A, SEALED, vector("valid/key"))


@pytest.mark.parametrize("name", REFUSED)
def test_other_bundles_are_refused_with_the_reason(name: str, theirs: SignatureKeys) -> None:
    with pytest.raises(SignatureError, match=REFUSED[name]) as refused:
        theirs.check("model", A, SEALED, vector(name))
    assert len(str(refused.value).splitlines()) == 1


def test_a_wrong_predicate_is_refused_also_where_a_trusted_key_has_signed_it(keys: Path) -> None:
    ours = keys_named(keys, "ours")
    good, wrong = vector("valid/key"), vector("invalid-payload/wrong-predicate")
    ours.read(as_bytes(wrapped(payload_of(good), keys / "ours.pem")))
    with pytest.raises(ValueError, match=r"is no model.*wrong-predicate.*predicateType"):
        ours.read(as_bytes(wrapped(payload_of(wrong), keys / "ours.pem")))


@pytest.mark.parametrize("curve", ["ours", "p384", "p521"])
def test_what_is_signed_is_as_the_specification_says(
    curve: str, keys: Path, schemas: dict[str, Draft202012Validator]
) -> None:
    signature = sign("wine", SEALED, keys / f"{curve}.pem")
    bundle, statement = json.loads(signature), json.loads(payload_of(signature))
    schemas["bundle"].validate(bundle)
    schemas["statement"].validate(statement)
    # What the schemas cannot say, of the method `key`.
    material = bundle["verificationMaterial"]
    assert {"hint"} == material["publicKey"].keys()
    assert not {"certificate", "x509CertificateChain"} & material.keys()
    (manifest,) = statement["predicate"]["resources"]
    digest = sha256(SEALED).hexdigest()
    assert (manifest["name"], manifest["digest"]) == ("manifest.json", digest)
    root = sha256(bytes.fromhex(digest)).hexdigest()
    (subject,) = statement["subject"]
    assert (subject["name"], subject["digest"]) == ("wine", {"sha256": root})


# --- Every change of a signature that the schemas refuse is refused.

# One value of each type of JSON, and texts and numbers at the boundaries of the schemas.
VALUES = (None, True, 0, -1, 1.5, "", "x", "SHA256", "0A", [], [None], ["x"], [""], {}, {"x": 1})


def changed(tree: Any) -> Iterator[Any]:
    """Yield copies of a tree, each without one value, or with another one, or with one more."""
    for place, absent in product(list(places(tree)), (True, False)):
        if absent:
            node, key = found_at(copy := deepcopy(tree), place)
            del node[key]
            yield copy
            continue
        for value in VALUES:
            node, key = found_at(copy := deepcopy(tree), place)
            node[key] = value
            yield copy
            node, key = found_at(copy := deepcopy(tree), place)
            if isinstance(node[key], dict):
                node[key]["more"] = value
            elif isinstance(node[key], list):
                node[key].append(value)
            yield copy


def places(tree: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in inside:
        yield (*place, key)
        if isinstance(value, dict | list):
            yield from places(value, (*place, key))


def found_at(tree: Any, place: tuple[Any, ...]) -> tuple[Any, Any]:
    for key in place[:-1]:
        tree = tree[key]
    return tree, place[-1]


def is_accepted(keys: SignatureKeys, bundle: Any) -> bool:
    try:
        keys.read(as_bytes(bundle))
    except ValueError:
        return False
    return True


def test_a_changed_bundle_is_refused_where_the_schema_refuses_it(
    keys: Path, schemas: dict[str, Draft202012Validator]
) -> None:
    ours = keys_named(keys, "ours")
    bundle = json.loads(sign("wine", SEALED, keys / "ours.pem"))
    verdicts = set()
    for each in changed(bundle):
        verdicts.add(verdict := (schemas["bundle"].is_valid(each), is_accepted(ours, each)))
        assert verdict != (False, True), each
    # Some are valid, and are not signed by our key.
    assert verdicts == {(True, True), (True, False), (False, False)}


def test_a_changed_statement_is_refused_where_the_schema_refuses_it(
    keys: Path, schemas: dict[str, Draft202012Validator]
) -> None:
    ours = keys_named(keys, "ours")
    statement = json.loads(payload_of(sign("wine", SEALED, keys / "ours.pem")))
    statement["predicate"]["serialization"]["shard_size"] = 1
    accepted = 0
    for each in changed(statement):
        bundle = wrapped(as_bytes(each), keys / "ours.pem")
        is_valid = schemas["statement"].is_valid(each)
        # Text says more than the schema: there is at least one file. Of methods and hashes we have
        # one each.
        predicate = each.get("predicate")
        is_ours = is_valid and bool(predicate["resources"])
        assert is_accepted(ours, bundle) == is_ours, each
        accepted += is_ours
    assert accepted > 10


@pytest.mark.parametrize("method", ["shards", "blake2b", "blake3"])
def test_other_methods_and_hashes_are_refused_by_name(method: str, keys: Path) -> None:
    statement = json.loads(payload_of(vector("valid/key")))
    how = statement["predicate"]["serialization"]
    if method == "shards":
        how |= {"method": method, "shard_size": 9}
    else:
        how["hash_type"] = method
    bundle = as_bytes(wrapped(as_bytes(statement), keys / "ours.pem"))
    with pytest.raises(ValueError, match=f"{method}.*only files and sha256 are supported"):
        keys_named(keys, "ours").read(bundle)


def test_variants_that_verifiers_must_accept_are_accepted(keys: Path) -> None:
    """The specification's section 11.1."""
    ours, statement = keys_named(keys, "ours"), json.loads(payload_of(vector("valid/key")))
    del statement["predicate"]["serialization"]["ignore_paths"]
    statement["predicate"]["resources"][0]["annotations"] = {"x": 1}
    bundle = wrapped(as_bytes(statement), keys / "ours.pem")
    old = {"publicKey": {"rawBytes": "eA==", "keyDetails": "PKIX_ECDSA_P256_SHA_256"}}
    for keyid, material in product(
        ({}, {"keyid": ""}, {"keyid": None}, {"keyid": "x"}),
        (bundle["verificationMaterial"], old, old | {"tlogEntries": []}),
    ):
        bundle["dsseEnvelope"]["signatures"][0] |= keyid
        assert is_accepted(ours, bundle | {"verificationMaterial": material})
    for kind in ("bundle.v0.3+json", "bundle+json;version=0.1", "bundle+json;version=0.3"):
        assert is_accepted(ours, bundle | {"mediaType": f"application/vnd.dev.sigstore.{kind}"})
    for kind in ("bundle", "bundle.v0.4+json", "bundle+json;version=9", "bundle.v0.3+jsonx"):
        assert not is_accepted(ours, bundle | {"mediaType": f"application/vnd.dev.sigstore.{kind}"})
