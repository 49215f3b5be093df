@testable import SDLensCommands
import SDLensCore
import SDLensDiffusion
import SDLensSparse
@testable import SDLensStudy

/// Numbers in options, and whole command lines.
let commandTargets = [
  FuzzTarget(
    "numbers",
    [
      "-6", "-10:10:0.5", "-10,-5.5,5", "0,2-3", "3/8", "random:100", "alive", "3-7,4539", "512",
      "2,-1", "18446744073709551615", "-9223372036854775808", "1e-4", "0.25,0,0.75,0.5", "nan", "0x1p1023",
    ]
  ) { bytes in
    guard let text = text(bytes) else { return }
    if let seed = SDLensCore.Seed(text) {
      precondition(SDLensCore.Seed(seed.description) == seed)
      do { try seed.check(1000) } catch let problem as SeedsEnd { _ = problem.description }
    }
    if let choice = FeatureChoice(text) {
      if case .list(let numbers) = choice, numbers.count > 100 { return }
      precondition(FeatureChoice(choice.description) == choice)
    }
    if let part = ShardSelection(text) { precondition(1...part.parts ~= part.part) }
    if let places = Places(argument: text) {
      precondition(max(abs(places.right), abs(places.down)) < 1 << 20)
    }
    if let steps = NumberSet(argument: text) { precondition(steps.numbers.allSatisfy { 0..<1000 ~= $0 }) }
    if let list = NumberList(argument: text) {
      for value in list.values {
        _ = EditList.number(value)
        refused { try EditList([Edit(.modulate(feature: 0, beta: value), at: BlockName.studied[0])]) }
      }
    }
    refused { try Region(text).coverage(height: 3, width: 2) }
    for number in IntList(argument: text)?.values ?? [] {
      _ = (Units.bytes(number), Units.grouped(number))
      refused { try RunSettings(steps: number, guidance: Double(number), height: number, width: number) }
      refused { try settings { ($0.features, $0.k) = (number, number) } }
      refused { try settings { ($0.batch, $0.steps) = (number, number) } }
      refused { try settings { ($0.epochs, $0.warmup) = (number, number) } }
      refused { try settings { ($0.deadAfter, $0.auxiliaryK) = (number, number) } }
    }
    if let number = Double(text) {
      _ = Units.rounded(number)
      refused { try RunSettings(guidance: number, height: 8, width: 8) }
      refused { try settings { ($0.learningRate, $0.decay, $0.auxiliaryScale) = (number, number, number) } }
      refused { try settings { $0.clipping = number } }
    }
  },
  FuzzTarget("command-line", commandLines) { bytes in
    do { _ = try SDLens.parseAsRoot(words(bytes)) } catch {
      precondition(!SDLens.fullMessage(for: error).isEmpty, "an error without a sentence")
    }
  },
  FuzzTarget("command-words", commandLines) { bytes in
    let arguments = try Arguments(words(bytes), of: SDLens.self)
    try arguments.checkEmpty()
    _ = arguments.unknownOption()?.description
  },
]

/// Words that are apart by line ends, as they would come from a shell.
private func words(_ bytes: UnsafeRawBufferPointer) -> [String] {
  (text(bytes) ?? "").split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
}

/// Expects that what is refused is refused with a sentence.
private func refused(_ body: () throws -> some Any) {
  do { _ = try body() } catch let problem as any UserError {
    precondition(!problem.description.isEmpty)
  } catch { fatalError("a raw error: \(error)") }
}

private func settings(_ change: (inout TrainingSettings) -> Void) throws {
  var settings = TrainingSettings()
  change(&settings)
  try settings.check()
}

private let commandLines: [Seed] = [
  "generate --prompt cat --seed=-5 --steps 4 --guidance 1.5 --size 64 --count 3",
  "generate --prompt cat --width 64 --height 128 --ablate down.2.1 mid.0 --threads 2",
  "intervene --block up.0.1 --feature 73 63 --beta -10:10:5 --at-steps 0,2-3",
  "intervene --block mid.0 --feature 3 --add 2,4 --region 0.25,0,0.75,0.5",
  "collect --limit 20 --sample-places 8 --shard 3/8 --shard-size 4 --batch 2",
  "train-sae --block up.0.1 --k 5,10 --features 256 --learning-rate 1e-4 --decay 0.3",
  "eval locality --features random:100 --pictures 10 --seed 7", "eval steering --beta 6 --pictures 4",
  "visualize gallery --features 3-7 --cell 64", "visualize paint --feature 3 --strength 2.5",
  "intervene --block mid.0 --feature 3 --move 2,-1",
  "train-sae --architecture matryoshka --levels 8,16 --features 64",
  "train-sae --architecture jumprelu --l0-penalty 0.1 --bandwidth 0.05", "encode --sae a --k 3", "help eval",
].map { line in Seed { line.utf8.map { $0 == UInt8(ascii: " ") ? UInt8(ascii: "\n") : $0 } } }
