// Feeds a reader of outside data with what libFuzzer makes up, until one traps, hangs or throws what is no sentence
// for the user. `Scripts/fuzz` builds and runs it.
//
//     sdlens-fuzz --list                  the targets
//     sdlens-fuzz --seeds TARGET FOLDER   writes what it begins with
//     sdlens-fuzz --sweep                 removes what runs that ended early left in memory
//     sdlens-fuzz TARGET [option…]        runs it; the options are those of libFuzzer

import CFuzzer
import Foundation
import SDLensCore

let arguments = CommandLine.arguments
let targets =
  coreTargets + sparseTargets + diffusionTargets + studyTargets + commandTargets + exploreTargets

func stop(_ message: String) -> Never {
  FileHandle.standardError.write(Data((message + "\n").utf8))
  exit(2)
}

func named(_ name: String?) -> FuzzTarget {
  guard let name, let target = targets.first(where: { $0.name == name }) else {
    stop("name a target: \(targets.map(\.name).joined(separator: " "))")
  }
  return target
}

/// What libFuzzer calls, which takes a C function without a context; set once before it does.
nonisolated(unsafe) var body: (UnsafeRawBufferPointer) throws -> Void = { _ in }
/// What a target writes to; libFuzzer ends the process itself.
nonisolated(unsafe) var scratch: Scratch?

switch arguments.dropFirst().first {
case "--list": for target in targets { print(target.name) }
case "--sweep": try Scratch.sweep()
case "--seeds" where arguments.count == 4:
  for (index, seed) in named(arguments[2]).seeds.enumerated() {
    // libFuzzer cuts longer ones, which nothing reads then.
    guard case let bytes = try seed.bytes(), bytes.count <= 1 << 15 else { continue }
    try Data(bytes).write(to: URL(fileURLWithPath: "\(arguments[3])/seed-\(index)"))
  }
default:
  let target = named(arguments.dropFirst().first)
  let folder = try Scratch()
  scratch = folder
  atexit { scratch?.remove() }
  body = try target.prepare(folder)
  var argc = Int32(arguments.count - 1)
  var argv: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 1
  let status = LLVMFuzzerRunDriver(&argc, &argv) { bytes, count in
    do {
      try body(UnsafeRawBufferPointer(start: bytes, count: count))
      return 0
    } catch let error as any UserError {
      // The sentence is made, too: it may trap on what it tells.
      precondition(!error.description.isEmpty, "an error without a sentence")
      return 0
    } catch {
      fatalError("a raw error: \(error)")
    }
  }
  exit(status)
}
