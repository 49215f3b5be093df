import SDLensCore

extension WorkEstimate {
  /// What it takes to train dictionaries in one pass and to measure their features, from a few steps and pictures.
  ///
  /// Dead features cost the most where all are dead that one batch leaves silent: that is their work here, so that the sum
  /// is what a training takes at most.
  ///
  /// - Parameters:
  ///   - block: whose vectors they learn from.
  ///   - store: some of the vectors, or all.
  ///   - pictures: those that there will be.
  ///   - measures: whether the features are measured, as they are where the vectors are kept.
  /// - Throws: as a training does.
  public static func training(
    _ settings: [TrainingSettings], of block: String, in store: ActivationStore, pictures: Int,
    measures: Bool = true
  ) throws -> [Work] {
    let activations = try store.activations(of: block)
    let vectors = pictures * activations.rowsPerPicture
    var works = try training(
      settings, source: ShuffledRows(activations, seed: 0), vectors: vectors, of: block)
    var components: PrincipalComponents?
    for each in measures ? settings : [] {
      let evaluation = try evaluation(pictures: pictures, of: block) { progress in
        components =
          try DictionaryEvaluation(
            of: untrained(each, width: activations.width), block: block, in: store,
            limit: 5 * max(1, 1024 / activations.rowsPerPicture), components: components, progress: progress
          ).components
      }
      works.append(evaluation)
    }
    return works
  }

  /// The same of vectors in a file.
  ///
  /// - Parameter place: as they are called.
  /// - Throws: as a training does.
  public static func training(_ settings: [TrainingSettings], on file: VectorFile, of place: String) throws
    -> [Work]
  {
    var works = try training(
      settings, source: ShuffledRows(file, seed: 0), vectors: file.pictures * file.rowsPerPicture, of: place)
    var components: PrincipalComponents?
    for each in settings {
      let evaluation = try evaluation("vectors", pictures: file.pictures, of: place) { progress in
        components =
          try VectorEvaluation(
            of: untrained(each, width: file.width), in: file, limit: 5 * 1024, components: components,
            progress: progress
          ).components
      }
      works.append(evaluation)
    }
    return works
  }

  /// Bytes that a training leaves, about: dictionaries with what is measured of their features, and of each in the
  /// checkpoint the weights with both means of their gradient.
  ///
  /// - Parameter measured: the pictures in which features are looked for, and the places of a map; nil where there are none.
  public static func trainingDisk(
    _ settings: [TrainingSettings], width: Int, measured: (pictures: Int, places: Int)?
  ) -> Int {
    settings.reduce(0) { sum, settings in
      let weights = 4 * 2 * settings.features * width * 4
      let (statistics, curves) = (36 * settings.features, 200_000)
      return sum + weights + statistics + curves
        + (measured.map { FeatureExamples.bytes(settings, pictures: $0.pictures, places: $0.places) } ?? 0)
    }
  }

  private static func training(
    _ settings: [TrainingSettings], source: any RowSource, vectors: Int, of place: String
  ) throws -> [Work] {
    let steps = settings[0].steps(over: vectors)
    func measured(_ name: String, pieces: Int, deadAfter: Int? = nil) throws -> Work {
      let settings = settings.map { settings in
        var settings = settings
        settings.steps = steps
        settings.deadAfter = deadAfter ?? settings.deadAfter
        return settings
      }
      let trainer = try Trainer(source: source, settings: settings)
      return try .measured("\(place): \(name)", "steps", pieces: pieces, calls: min(4, steps)) { _ in
        _ = try trainer.step()
      }
    }
    let training = try measured("train", pieces: steps)
    // Before that many vectors none is dead.
    let late = steps - settings.map { $0.auxiliaryK > 0 ? $0.deadAfter / $0.batch : .max }.min()!
    guard late > 0 else { return [training] }
    let dying = try measured("train", pieces: late, deadAfter: 1)
    return [
      training,
      Work(
        "\(place): dead features, at most", "steps", pieces: late,
        times: [max(0, dying.secondsEach - training.secondsEach)]),
    ]
  }

  private static func untrained(_ settings: TrainingSettings, width: Int) -> SparseAutoencoder {
    SparseAutoencoder(untrained: settings.features, k: settings.k, seed: 0, preBias: Tensor([width]))
  }

  /// Times `body` from one call of its progress to the next.
  private static func evaluation(
    _ unit: String = "pictures", pictures: Int, of place: String,
    _ body: (_ progress: (Int) -> Void) throws -> Void
  ) rethrows -> Work {
    var times: [Double] = []
    var start = ContinuousClock.now
    try body { count in
      times.append((ContinuousClock.now - start) / .seconds(1) / Double(count))
      start = ContinuousClock.now
    }
    return Work(
      "\(place): measure features", unit, pieces: pictures,
      times: Array(times.dropFirst(times.count > 1 ? 1 : 0)))
  }
}
