"""The messages of the Open Inference Protocol, version 2, for gRPC.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_grpc.md
They are made when they are needed: names of messages are not sent, numbers of fields are.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "inference"
SERVICE = f"{PACKAGE}.GRPCInferenceService"
# Fields by message: their number and type. A list has many; a dict is a map from texts; an upper
# case name is that of another message. The fields of `ONE_OF` exclude each other.
Type = str | list[str] | dict[str, str]
_NAMED = {"name": (1, "string"), "version": (2, "string")}
_PARAMETERS = {"parameters": (4, {"string": "InferParameter"})}
_TENSOR = {
    "name": (1, "string"), "datatype": (2, "string"), "shape": (3, ["int64"]), **_PARAMETERS,
    "contents": (5, "InferTensorContents"),
}  # fmt: skip
MESSAGES: dict[str, dict[str, tuple[int, Any]]] = {
    "ServerLiveRequest": {},
    "ServerLiveResponse": {"live": (1, "bool")},
    "ServerReadyRequest": {},
    "ServerReadyResponse": {"ready": (1, "bool")},
    "ModelReadyRequest": {**_NAMED},
    "ModelReadyResponse": {"ready": (1, "bool")},
    "ServerMetadataRequest": {},
    "ServerMetadataResponse": {**_NAMED, "extensions": (3, ["string"])},
    "ModelMetadataRequest": {**_NAMED},
    "TensorMetadata": {"name": (1, "string"), "datatype": (2, "string"), "shape": (3, ["int64"])},
    "ModelMetadataResponse": {
        "name": (1, "string"), "versions": (2, ["string"]), "platform": (3, "string"),
        "inputs": (4, ["TensorMetadata"]), "outputs": (5, ["TensorMetadata"]),
    },
    "InferParameter": {
        "bool_param": (1, "bool"), "int64_param": (2, "int64"), "string_param": (3, "string"),
        "double_param": (4, "double"), "uint64_param": (5, "uint64"),
    },
    "InferTensorContents": {
        "bool_contents": (1, ["bool"]), "int_contents": (2, ["int32"]),
        "int64_contents": (3, ["int64"]), "uint_contents": (4, ["uint32"]),
        "uint64_contents": (5, ["uint64"]), "fp32_contents": (6, ["float"]),
        "fp64_contents": (7, ["double"]), "bytes_contents": (8, ["bytes"]),
    },
    "InferInputTensor": _TENSOR,
    "InferOutputTensor": _TENSOR,
    "InferRequestedOutputTensor": {
        "name": (1, "string"), "parameters": (2, {"string": "InferParameter"}),
    },
    "ModelInferRequest": {
        "model_name": (1, "string"), "model_version": (2, "string"), "id": (3, "string"),
        **_PARAMETERS, "inputs": (5, ["InferInputTensor"]),
        "outputs": (6, ["InferRequestedOutputTensor"]), "raw_input_contents": (7, ["bytes"]),
    },
    "ModelInferResponse": {
        "model_name": (1, "string"), "model_version": (2, "string"), "id": (3, "string"),
        **_PARAMETERS, "outputs": (5, ["InferOutputTensor"]),
        "raw_output_contents": (6, ["bytes"]),
    },
}  # fmt: skip
ONE_OF = "InferParameter"


def make_messages() -> dict[str, Any]:
    """Return the class of each message by its name."""
    file = descriptor_pb2.FileDescriptorProto(
        name="open_inference.proto", package=PACKAGE, syntax="proto3"
    )
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        if name == ONE_OF:
            message.oneof_decl.add(name="parameter_choice")
        for field, (number, kind) in fields.items():
            made = _add(message, field, number, kind)
            if name == ONE_OF:
                made.oneof_index = 0
    # A pool of its own: clients in the same process have messages of the same names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in MESSAGES
    }


def _add(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: Type
) -> descriptor_pb2.FieldDescriptorProto:
    types = descriptor_pb2.FieldDescriptorProto
    field = message.field.add(name=name, number=number, label=types.LABEL_OPTIONAL)
    if isinstance(kind, dict):
        ((key, value),) = kind.items()
        # protobuf knows a map by the name of its entries.
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add(entry, "key", 1, key)
        _add(entry, "value", 2, value)
        field.label, field.type = types.LABEL_REPEATED, types.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{message.name}.{entry.name}"
        return field
    if isinstance(kind, list):
        (kind,) = kind
        field.label = types.LABEL_REPEATED
    if kind[0].isupper():
        field.type, field.type_name = types.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    else:
        field.type = types.Type.Value(f"TYPE_{kind.upper()}")
    return field
