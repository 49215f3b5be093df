import ArgumentParser
import SDLensCore
import SDLensStudy

/// Whether long work is only judged.
struct EstimateOptions: ParsableArguments {
  @Flag(help: "Do nothing; measure a few pieces and say what all will take: time, disk and memory.")
  var estimate = false
}

extension ReportOptions {
  /// Prints what work will take.
  func print(_ estimate: WorkEstimate) throws {
    try json ? Output.print(json: estimate) : Output.print(estimate.text)
  }
}
