import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensSparse
import SDLensStudy

/// Answers from what is known of the dictionaries.
extension Explorer {
  func dictionary(_ fields: inout EditFields) throws -> Answer.Dictionary {
    let name = try fields.string("block")
    let names = try fields.dictionaries()
    try fields.finish()
    return try dictionary(of: name, names)
  }

  func dictionary(of name: String, _ names: [BlockName: String] = [:]) throws -> Answer.Dictionary {
    let (block, index) = try shelf.choice(names).index(of: name)
    let folder = index.folder
    let features = folder.autoencoder.features
    func known(_ numbers: [Float]?) -> [Float?] {
      numbers.map { $0.map { $0.isFinite ? $0 : nil } } ?? Array(repeating: nil, count: features)
    }
    let captions = index.preferred
    return Answer.Dictionary(
      block: "\(block)", dictionary: folder.identity, features: features, mean: known(folder.means?.elements),
      maximum: known(folder.statistics?.maximum), density: known(folder.statistics?.density),
      captions: Dictionary(uniqueKeysWithValues: captions.map { ("\($0)", $1) }),
      canCaption: !setup.isReadOnly)
  }

  /// Everything that is known of a feature.
  func feature(_ fields: inout EditFields) throws -> Answer.Feature {
    let chosen = try shelf.choice(fields.dictionaries())
    let (block, feature, index) = try chosen.place(&fields)
    try fields.finish()
    let (folder, statistics) = (index.folder, index.folder.statistics)
    let examples = folder.examples?[feature] ?? []
    let pictures = Set(examples.map(\.picture))
    func others(_ list: [(feature: Int, likeness: Double)], at block: BlockName) -> [Answer.Feature.Other] {
      let captions = chosen.indexes[block]?.preferred ?? [:]
      return list.map {
        .init(
          block: "\(block)", feature: $0.feature, likeness: $0.likeness, caption: captions[$0.feature])
      }
    }
    let levels = FeatureStatistics.levels.count
    let manifest = folder.pictures?.manifest
    let counterparts = try chosen.indexes.filter { other, found in
      try other != block && manifest != nil
        && found.folder.pictures?.manifest.fingerprint == manifest?.fingerprint
    }.sorted { $0.key < $1.key }.flatMap { other, found in
      others(found.together(with: pictures, 2), at: other)
    }
    let shape = folder.examples?.mapShape
    let captions = index.captions.withLock { $0[feature] }
    return Answer.Feature(
      block: "\(block)", feature: feature, caption: captions.first?.caption, captions: captions,
      mean: folder.means.map { Double($0[feature]) }.flatMap { $0.isFinite ? $0 : nil },
      deviation: statistics.map { Double($0.deviation[feature]) },
      maximum: statistics.map { Double($0.maximum[feature]) },
      density: statistics.map { Double($0.density[feature]) },
      quantiles: statistics.map { $0.quantiles[feature * levels..<(feature + 1) * levels].map(Double.init) }
        ?? [],
      pictures: examples.count, recorded: index.prompts.count, mapHeight: shape?[1], mapWidth: shape?[2],
      steps: manifest?.steps, guidance: manifest?.guidance, height: manifest?.height, width: manifest?.width,
      examples: self.examples(of: feature, folder), words: index.words(of: feature, 8),
      neighbours: others(index.neighbours(of: feature, 8), at: block),
      together: others(
        index.together(with: pictures, 9).filter { $0.feature != feature }, at: block),
      counterparts: counterparts, elsewhere: try elsewhere(feature, of: index, at: block))
  }

  /// Of each other dictionary of the block the feature whose direction is most like that of one.
  private func elsewhere(_ feature: Int, of index: DictionaryIndex, at block: BlockName) throws
    -> [Answer.Feature.Other]
  {
    let direction = index.direction(of: feature)
    return try (shelf.names[block] ?? []).compactMap { name in
      let other = try shelf.index(of: block, name)
      guard other !== index, let (found, likeness) = other.likest(direction, 1).first else { return nil }
      return Answer.Feature.Other(
        block: "\(block)", dictionary: name, feature: found, likeness: likeness,
        caption: other.preferred[found])
    }
  }

  /// The strongest pictures, and some from the middle and the end of the list.
  private func examples(of feature: Int, _ folder: DictionaryFolder) -> [Answer.Feature.Example] {
    guard let all = folder.examples?[feature], let pictures = folder.pictures, !all.isEmpty else { return [] }
    let places = Array(0..<min(8, all.count)) + [0.25, 0.5, 0.75].map { Int($0 * Double(all.count)) }
    return Set(places).sorted().compactMap { place in
      let example = all[place]
      guard let prompt = pictures.prompts[example.picture] else { return nil }
      let size = folder.examples.map { $0.mapShape[1] * $0.mapShape[2] } ?? 0
      return Answer.Feature.Example(
        picture: example.picture, prompt: prompt, seed: try? pictures.seed(of: example.picture),
        strength: Double(example.strength), rank: Double(place) / Double(all.count),
        map: folder.examples?.map(of: feature, rank: place).map {
          Array($0.prefix(size)).base64 { $0.bitPattern }
        })
    }
  }

  /// Features by number, by caption, or by words of the prompts of their strongest pictures.
  func search(_ fields: inout EditFields) throws -> Answer.Search {
    let query = try fields.string("query")
    let chosen = try shelf.choice(fields.dictionaries())
    try fields.finish()
    guard query.utf8.count <= 1000 else { throw Refusal(422, "the query has more than 1000 bytes") }
    let words = query.lowercased().split(separator: " ").map(String.init)
    var found: [Answer.Search.Found] = []
    for (block, index) in chosen.sorted {
      let captions = index.preferred
      var seen: Set<Int> = []
      func add(_ feature: Int, _ reason: String, _ score: Double) {
        guard seen.insert(feature).inserted else { return }
        found.append(
          .init(
            block: "\(block)", feature: feature, caption: captions[feature], reason: reason, score: score))
      }
      if let number = Int(query.trimmingCharacters(in: .whitespaces)),
        0..<index.folder.autoencoder.features ~= number
      {
        add(number, "number", 3)
      }
      guard !words.isEmpty else { continue }
      for (feature, caption) in captions.sorted(by: { $0.key < $1.key })
      where words.allSatisfy(caption.lowercased().hasWord) { add(feature, "caption", 2) }
      for (feature, share, everywhere) in index.features(withWords: words) {
        let percent = { (share: Double) in "\(Int((share * 100).rounded())) %" }
        add(
          feature,
          "\(percent(share)) of its strongest pictures, of all \(percent(everywhere))", share - everywhere)
      }
    }
    let order = found.enumerated().sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }
    return Answer.Search(query: query, found: order.prefix(60).map(\.element))
  }

  /// Writes what a feature means into the workspace; an empty caption takes away what was written there.
  func setCaption(_ fields: inout EditFields) throws -> Answer.Caption {
    let (block, feature, index) = try shelf.choice(fields.dictionaries()).place(&fields)
    let text = try fields.string("caption").trimmingCharacters(in: .whitespacesAndNewlines)
    try fields.finish()
    guard !setup.isReadOnly else { throw Refusal(403, "this page is read-only; captions are not written") }
    guard text.utf8.count <= 1000, !text.contains(where: \.isNewline) else {
      throw Refusal(422, "a caption is one line of at most 1000 bytes")
    }
    let (folder, features) = (index.folder, index.folder.autoencoder.features)
    let path = workspace.captionFile(of: folder)
    let captions = try index.captions.withLock { captions in
      try AtomicFolder.makeAll(above: path)
      try FolderTurn.take(in: path.folderOfPath) {
        // Somebody else may have written meanwhile.
        let there = try FeatureCaptions(contentsOf: [path], features: features)
        let others = there.all.filter { $0.feature != feature || $0.source != nil }
        let all = FeatureCaptions(
          others + (text.isEmpty ? [] : [FeatureCaption(feature: feature, caption: text)]))
        try all.write(to: path)
      }
      captions = try folder.adding(captionsOf: workspace.captions(of: folder)).allCaptions
      return captions[feature]
    }
    return Answer.Caption(
      block: "\(block)", feature: feature, caption: captions.first?.caption, captions: captions)
  }
}
