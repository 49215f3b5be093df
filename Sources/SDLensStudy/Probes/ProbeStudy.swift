import SDLensCore
import SDLensSparse

/// How well something is read off the vectors of a block linearly, on pictures that the probe did not learn from.
///
/// It learns on the 1st, 3rd, … picture and is measured on the others. A label of a picture is told from the mean of its
/// vectors, a label of a position from the vector there; of several denoising steps the last counts.
public struct ProbeStudy: Sendable {
  /// How labels are told.
  public enum Method: String, Sendable, Codable, CaseIterable {
    /// Classes, by logistic regression on standardised channels.
    case logistic
    /// Numbers, by least squares.
    case leastSquares = "least-squares"
  }

  /// How labels were told.
  public let method: Method
  /// The classes, in their order; none of least squares.
  public let classes: [String]
  /// Of logistic regression the share of labels told right; of least squares `R² = 1 − Σ(y − ŷ)² / Σ(y − mean)²`; n is the
  /// number of pictures.
  public let score: Estimate
  /// What comes of always saying the class that is most frequent among those learned from; of least squares nil.
  public let chance: Double?
  /// The mean absolute error of least squares.
  public let error: Estimate?
  /// Pictures that it learned from.
  public let learned: Int
  private let directions: [[Float]]

  /// What is probed.
  public struct Source {
    let width: Int
    let rows: (Int) throws -> Tensor

    /// Vectors as they are recorded, or their codes by a dictionary.
    ///
    /// - Throws: `BlockNotStored`, `EmptyStore`, `WidthMismatch`.
    public init(
      _ block: String, in store: ActivationStore, codes autoencoder: SparseAutoencoder? = nil
    ) throws {
      let activations = try store.activations(of: block)
      let places = activations.block.mapHeight * activations.block.mapWidth
      if let autoencoder, autoencoder.width != activations.width {
        throw WidthMismatch(block: block, stored: activations.width, dictionary: autoencoder.width)
      }
      guard store.manifest.places == nil else { throw ConceptUnplaced(store: store.folder) }
      width = autoencoder?.features ?? activations.width
      rows = { picture in
        let count = activations.rowsPerPicture
        let vectors = try activations.rows(ofPicture: picture).rows(count - places..<count)
        guard let autoencoder else { return vectors }
        var dense = Tensor(repeating: 0, [places, autoencoder.features])
        dense.withMutableElements { x in
          autoencoder.encode(vectors).forEachActive { x[$0 * autoencoder.features + $1] = $2 }
        }
        return dense
      }
    }
  }

  /// Probes the first pictures, as many as there are labels of.
  ///
  /// - Parameters:
  ///   - method: nil for least squares where all labels are numbers with a fraction among them, else classes.
  ///   - c: the inverse of the penalty of logistic regression.
  ///   - progress: called for each picture.
  /// - Throws: `NothingToProbe`, `DecompositionFailed`, and what is wrong with the store.
  public init(
    _ source: Source, _ labels: ProbeLabels, method: Method? = nil, c: Double = 0.1,
    progress: () -> Void = {}
  ) throws {
    let count = labels.names.count / labels.perPicture
    guard count >= 4 else { throw NothingToProbe("there are \(count) pictures, but 4 at least are needed") }
    let numbers = labels.numbers
    let isNumeric = numbers?.contains { $0 != $0.rounded() } == true
    let chosen = method ?? (isNumeric ? .leastSquares : .logistic)
    var halves: [[Double]] = [[], []]
    for picture in 0..<count {
      let rows = Matrix(try source.rows(picture))
      progress()
      if labels.perPicture == 1 {
        let weights = Matrix(
          [Double](repeating: 1 / Double(rows.rows), count: rows.rows), rows: 1, columns: rows.rows)
        halves[picture % 2] += (weights * rows).elements
      } else {
        guard rows.rows == labels.perPicture else {
          throw NothingToProbe("a picture has \(rows.rows) positions, but \(labels.perPicture) labels")
        }
        halves[picture % 2] += rows.elements
      }
    }
    let tables = halves.map { Matrix($0, rows: $0.count / source.width, columns: source.width) }
    func split<Value>(_ values: [Value]) -> [[Value]] {
      (0..<2).map { half in
        values.enumerated().filter { $0.offset / labels.perPicture % 2 == half }.map(\.element)
      }
    }
    self.method = chosen
    learned = (count + 1) / 2
    let step = labels.perPicture
    switch chosen {
    case .logistic:
      let classes =
        numbers == nil ? Set(labels.names).sorted() : Set(labels.names).sorted { Double($0)! < Double($1)! }
      guard 2...1000 ~= classes.count else {
        throw NothingToProbe("there are \(classes.count) different labels, but classes are 2 to 1000")
      }
      let numbers = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
      let wanted = split(labels.names.map { numbers[$0] ?? 0 })
      let probe = LinearProbe(tables[0], classes: wanted[0], count: classes.count, c: c, tolerance: 1e-5)
      let told = probe.predictions(tables[1])
      let shares = stride(from: 0, to: told.count, by: step).map { start in
        Double((start..<start + step).count { told[$0] == wanted[1][$0] }) / Double(step)
      }
      guard let score = Estimate(meanOf: shares) else { throw NothingToProbe("there are no pictures") }
      self.score = score
      self.classes = classes
      let counts = classes.indices.map { own in wanted[0].count { $0 == own } }
      let most = counts.indices.max { counts[$0] < counts[$1] } ?? 0
      chance = Double(wanted[1].count { $0 == most }) / Double(max(1, wanted[1].count))
      error = nil
      directions = classes.indices.map { Self.direction(probe.slopes(of: $0), tables[0], wanted[0], $0) }
    case .leastSquares:
      guard let numbers else {
        throw NothingToProbe("not all labels are numbers, as least squares needs; leave --method out")
      }
      let wanted = split(numbers)
      let fit = try LeastSquares(tables[0], wanted[0])
      let told = fit.predictions(tables[1])
      let level = Bootstrap.mean(wanted[1])
      let starts = stride(from: 0, to: told.count, by: step)
      func sum(_ start: Int, _ term: (Int) -> Double) -> Double {
        (start..<start + step).reduce(0) { $0 + term($1) }
      }
      let ratio = Estimate(
        ratioOf: starts.map { start in
          (
            part: sum(start) { (wanted[1][$0] - told[$0]) * (wanted[1][$0] - told[$0]) },
            whole: sum(start) { (wanted[1][$0] - level) * (wanted[1][$0] - level) }
          )
        })
      guard let ratio else { throw NothingToProbe("all labels are the same") }
      score = Estimate(
        1 - ratio.value, n: ratio.n, interval: ratio.interval.map { 1 - $0[1]...1 - $0[0] })
      error = Estimate(
        meanOf: starts.map { start in sum(start) { abs(wanted[1][$0] - told[$0]) } / Double(step) })
      (classes, chance) = ([], nil)
      // Added once it raises the number by 1.
      let square = fit.weights.reduce(0) { $0 + $1 * $1 }
      directions = [fit.weights.map { Float(square > 0 ? $0 / square : 0) }]
    }
  }

  /// The direction of a class, as long as the means with and without it are apart along it; of least squares the
  /// one that raises the number by 1, whatever the name.
  ///
  /// - Throws: `NothingToProbe` for a class that there is not.
  public func direction(of name: String?) throws -> [Float] {
    guard !classes.isEmpty else { return directions[0] }
    guard let name, let number = classes.firstIndex(of: name) else {
      throw NothingToProbe(
        "a direction is that of one class, and there is \(name.map { "no '\($0)'" } ?? "none named"); "
          + "the classes are: \(classes.prefix(20).joined(separator: ", "))")
    }
    return directions[number]
  }

  private static func direction(_ slopes: [Double], _ x: Matrix, _ classes: [Int], _ own: Int) -> [Float] {
    let square = slopes.reduce(0) { $0 + $1 * $1 }
    let along = (x.times(transposed: Matrix(slopes, rows: 1, columns: slopes.count))).elements
    let (with, without) = (
      Bootstrap.mean(zip(along, classes).filter { $0.1 == own }.map(\.0)),
      Bootstrap.mean(zip(along, classes).filter { $0.1 != own }.map(\.0))
    )
    return slopes.map { Float(square > 0 ? $0 * (with - without) / square : 0) }
  }
}

/// Labels or data that no probe can learn from.
public struct NothingToProbe: UserError {
  let reason: String
  init(_ reason: String) { self.reason = reason }
  /// What is missing.
  public var description: String { "nothing can be probed: \(reason)" }
}
