import SDLensCore
import SDLensDiffusion
@testable import SDLensExplore
import SDLensStudy

/// What a browser, or something else on this machine, sends to the page of `explore`.
let exploreTargets = [
  FuzzTarget(
    "request-head",
    [
      "POST /api/run?x HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 12\r\nOrigin: http://localhost:8080",
      "GET / HTTP/1.1\r\nHost:a\r\nConnection: close\r\nTransfer-Encoding: chunked",
    ]
  ) { bytes in
    let request = try Request(head: Array(bytes))
    let length = try request.bodyBytes
    precondition(length <= Request.mostBodyBytes)
    _ = request.keepsAlive
  },
  FuzzTarget(
    "run-request",
    [
      #"{"prompt": "a cat", "seed": "18446744073709551615", "steps": 2, "guidance": 1.5, "tab": "a", "lane": "b"}"#,
      #"{"prompt": "a cat", "negative_prompt": null, "width": 64, "height": 128, "dictionaries": {"mid.0": "a"}}"#,
    ],
    prepare: { _ in
      let model = try ModelFolder(tiny)
      return { bytes in
        guard let text = text(bytes), let json = try? JSONValue(parsing: text) else { return }
        do {
          var fields = try EditFields(json, "the body")
          _ = try RunRequest(&fields, of: model, pictureSize: 64)
        } catch let mistake as EditFields.Mistake { precondition(!mistake.reason.isEmpty) }
      }
    }),
]
