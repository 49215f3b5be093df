import SDLensDiffusion

extension MetricProgress {
  /// Refuses a run that surely has no room in memory, and says when it will be slow.
  ///
  /// - Throws: `TooLittleMemory`, and what is wrong with the model.
  public func checkMemory(of model: ModelFolder, _ settings: RunSettings, decodes: Bool = true) throws {
    let memory = try ModelMemory(model)
    try memory.check(height: settings.height, width: settings.width, decodes: decodes)
    if let slow = memory.note(height: settings.height, width: settings.width) { note(slow) }
  }
}
