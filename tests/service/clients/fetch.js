// Ask /predict_batch by fetch, in Node and in a browser; form: how the body is sent.
// An expression: the tests put it into `node -e` and into a page.
async ({address, rows, form}) => {
  const text = JSON.stringify({rows});
  const headers = {"Content-Type": "application/json"};
  const compressed = () => new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  const request = {method: "POST", headers, body: text};
  if (form === "compressed") {
    headers["Content-Encoding"] = "gzip";
    request.body = await new Response(compressed()).arrayBuffer();
  } else if (form === "streamed") {
    // Without a length, as `Transfer-Encoding: chunked`; browsers stream by HTTP/2 only.
    request.body = new Blob([text]).stream();
    request.duplex = "half";
  }
  const response = await fetch(`${address}/predict_batch`, request);
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  const found = await response.json();
  const view = new DataView(new ArrayBuffer(8));
  const bits = (number) => {
    view.setFloat64(0, number);
    return view.getBigUint64(0).toString(16).padStart(16, "0");
  };
  const columns = Object.values(found.probabilities);
  return {label: found.label, bits: found.label.map((_, n) => columns.map((c) => bits(c[n])))};
}
