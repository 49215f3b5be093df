import Foundation
import SDLensCore

/// Logistic regression from vectors to classes: whether something can be read off a space linearly.
///
/// Minimises `C Σ_i −log softmax(W x_i + b)_{y_i} + ½ ‖W‖²`; with two classes `½ ‖W_1 − W_0‖²` instead, which is
/// binomial regression. That is scikit-learn's `LogisticRegression(C)`, after its `StandardScaler` if standardised.
public struct LinearProbe: Sendable {
  /// `W`, [classes, width], for standardised vectors.
  public let weights: Matrix
  /// `b`, one for each class.
  public let biases: [Double]
  private let mean: [Double]
  private let deviation: [Double]

  /// Learns from vectors `x` [rows, width] and the class of each, from 0.
  ///
  /// `standardized`: every column is first brought to mean 0 and deviation 1, as it has them here; a column
  /// that is constant is left at 0. `tolerance`: how large a component of the gradient may stay, relative to `C`
  /// and the number of rows.
  public init(
    _ x: Matrix, classes: [Int], count: Int, c: Double = 1, standardized: Bool = true,
    tolerance: Double = 1e-7
  ) {
    precondition(classes.count == x.rows && classes.allSatisfy { 0..<count ~= $0 }, "classes that do not fit")
    precondition(x.rows > 0 && count > 1 && c > 0, "a probe of \(x.rows) rows and \(count) classes")
    (mean, deviation) = standardized ? Self.moments(x) : ([], [])
    let x = Self.standardized(x, mean, deviation)
    let width = x.columns
    // Softmax over two classes spreads a weight w over ±w/2, and so pays half as much for it.
    let c = count == 2 ? c / 2 : c
    let solver = LBFGS(tolerance: tolerance * c * Double(x.rows))
    let solution = solver.minimum(from: Array(repeating: 0, count: count * (width + 1))) { parameters in
      let weights = Matrix(Array(parameters[..<(count * width)]), rows: count, columns: width)
      let biases = Array(parameters[(count * width)...])
      var residuals = Self.logits(x, weights, biases)
      let loss = Self.residuals(&residuals, classes)
      var gradient = residuals.transposed(times: x).elements.map { c * $0 }
      for index in gradient.indices { gradient[index] += weights.elements[index] }
      let biasGradient = (0..<count).map { k in c * (0..<x.rows).reduce(0) { $0 + residuals[$1, k] } }
      let penalty = weights.elements.reduce(0) { $0 + $1 * $1 } / 2
      return (c * loss + penalty, gradient + biasGradient)
    }
    weights = Matrix(Array(solution[..<(count * width)]), rows: count, columns: width)
    biases = Array(solution[(count * width)...])
  }

  /// `W x + b` for every row, [rows, classes].
  public func logits(_ x: Matrix) -> Matrix {
    Self.logits(Self.standardized(x, mean, deviation), weights, biases)
  }

  /// How the logit of a class grows with each entry of a vector as it is, above the mean of the others'.
  public func slopes(of own: Int) -> [Double] {
    let (classes, width) = (weights.rows, weights.columns)
    return (0..<width).map { column in
      let others = (0..<classes).reduce(0) { $0 + ($1 == own ? 0 : weights[$1, column]) }
      let slope = weights[own, column] - others / Double(classes - 1)
      return deviation.isEmpty ? slope : slope / deviation[column]
    }
  }

  /// The likeliest class of every row, the first of several.
  public func predictions(_ x: Matrix) -> [Int] {
    let logits = logits(x)
    return (0..<x.rows).map { row in
      (0..<logits.columns).reduce(0) { logits[row, $1] > logits[row, $0] ? $1 : $0 }
    }
  }

  /// The share of rows whose class is predicted, nil without rows.
  public func accuracy(_ x: Matrix, classes: [Int]) -> Double? {
    precondition(classes.count == x.rows)
    let right = zip(predictions(x), classes).count { $0 == $1 }
    return classes.isEmpty ? nil : Double(right) / Double(classes.count)
  }

  private static func logits(_ x: Matrix, _ weights: Matrix, _ biases: [Double]) -> Matrix {
    var logits = x.times(transposed: weights)
    for index in logits.elements.indices { logits.elements[index] += biases[index % biases.count] }
    return logits
  }

  /// Turns logits into `softmax − onehot`; returns `Σ −log softmax_y`.
  private static func residuals(_ logits: inout Matrix, _ classes: [Int]) -> Double {
    var loss = 0.0
    for (row, wanted) in classes.enumerated() {
      let range = row * logits.columns..<(row + 1) * logits.columns
      let largest = logits.elements[range].max() ?? 0
      let own = logits[row, wanted]
      var sum = 0.0
      for index in range {
        logits.elements[index] = exp(logits.elements[index] - largest)
        sum += logits.elements[index]
      }
      for index in range { logits.elements[index] /= sum }
      logits[row, wanted] -= 1
      loss += log(sum) + largest - own
    }
    return loss
  }

  /// Mean and standard deviation of every column; 0 of constant ones counts as infinite.
  private static func moments(_ x: Matrix) -> (mean: [Double], deviation: [Double]) {
    var (mean, variance) = (
      [Double](repeating: 0, count: x.columns), [Double](repeating: 0, count: x.columns)
    )
    for index in x.elements.indices { mean[index % x.columns] += x.elements[index] / Double(x.rows) }
    for index in x.elements.indices {
      let distance = x.elements[index] - mean[index % x.columns]
      variance[index % x.columns] += distance * distance / Double(x.rows)
    }
    return (mean, zip(mean, variance).map { $1 > 1e-24 * $0 * $0 ? $1.squareRoot() : .infinity })
  }

  private static func standardized(_ x: Matrix, _ mean: [Double], _ deviation: [Double]) -> Matrix {
    guard !mean.isEmpty else { return x }
    precondition(x.columns == mean.count, "\(x.columns) columns into a probe of \(mean.count)")
    var result = x
    for index in x.elements.indices {
      let column = index % mean.count
      result.elements[index] = (x.elements[index] - mean[column]) / deviation[column]
    }
    return result
  }
}
