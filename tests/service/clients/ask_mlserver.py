"""Ask with a frame of pandas, encoded and decoded by the codecs of MLServer."""

import urllib.request
from typing import Any

import pandas as pd
from mlserver.codecs import NumpyCodec, PandasCodec, StringCodec
from mlserver.types import InferenceResponse
from tensors import answer, print_answers, read_task

task = read_task()
# A text that is missing is "", and a truth value NaN: None is more than the codec can encode.
DTYPES = {"FP64": "float64", "BOOL": "bool", "BYTES": "object"}
TRUTH = {"True": True, "False": False, None: float("nan")}


def frame_of(columns: dict[str, Any]) -> pd.DataFrame:
    found = {}
    for name, column in columns.items():
        cells, datatype = column["data"], column["datatype"]
        if datatype == "BYTES":
            cells = ["" if cell is None else cell for cell in cells]
        found[name] = pd.Series(cells, dtype=DTYPES[datatype])
    return pd.DataFrame(found)


def ask(frame: pd.DataFrame, **options: Any) -> tuple[dict[str, Any], set[str]]:
    """Return the answers, and how the codec declared its tensors."""
    encoded = PandasCodec.encode_request(frame, **options)
    request = urllib.request.Request(
        f"http://127.0.0.1:{task['port']}/v2/models/clients/infer",
        encoded.model_dump_json(exclude_none=True).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - our own address
        response = InferenceResponse.model_validate_json(reply.read())
    outputs = {each.name: each for each in response.outputs}
    labels = StringCodec.decode_output(outputs["predict"])
    declared = {str(each.parameters and each.parameters.content_type) for each in encoded.inputs}
    return answer(labels, NumpyCodec.decode_output(outputs["predict_proba"])), declared


found = {}
columns = task["columns"]
frame = frame_of(columns)
found["bytes"], declared = ask(frame)
found["texts"], _ = ask(frame, use_bytes=False)
assert declared == {"str", "None"}, declared
# Columns of several types, as pandas has them: truth values with missing cells, numbers and texts.
active = pd.Series([TRUTH[cell] for cell in columns["active"]["data"]], dtype=object)
income = [repr(cell) if n % 3 == 0 else cell for n, cell in enumerate(columns["income"]["data"])]
income = ["" if cell in (None, "None") else cell for cell in income]
mixed = frame.assign(active=active, income=pd.Series(income, dtype=object))
found["several types"], declared = ask(mixed)
assert "pd_json" in declared, declared
print_answers(found)
