import SDLensDiffusion

extension MetricProgress {
  /// Refuses a run that surely has no room in memory, and says when it will be slow; `encodes` says that it begins with a
  /// picture.
  ///
  /// - Throws: `TooLittleMemory`, and what is wrong with the model.
  public func checkMemory(
    of model: ModelFolder, _ settings: RunSettings, decodes: Bool = true, encodes: Bool = false
  ) throws {
    let (memory, height, width) = (try ModelMemory(model), settings.height, settings.width)
    try memory.check(height: height, width: width, decodes: decodes, encodes: encodes)
    if let slow = memory.note(height: height, width: width, encodes: encodes) { note(slow) }
  }
}
