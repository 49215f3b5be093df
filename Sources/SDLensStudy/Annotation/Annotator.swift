import SDLensSparse

/// Who says what features mean: one file each.
public protocol Annotator: Sendable {
  /// Its name in captions.
  var source: String { get }
  /// The model that it asks; nil where there is none.
  var model: String? { get }
  /// The pictures that it looks at.
  var plan: SheetPlan { get }
  /// How many sheets it looks at at once.
  var concurrency: Int { get }

  /// What a feature means; nil where it has nothing to say.
  ///
  /// - Throws: what ends the whole annotation.
  func caption(of sheet: FeatureSheet) throws -> FeatureCaption?
}

extension Annotator {
  /// One.
  public var concurrency: Int { 1 }

  /// A caption of its own, of today.
  func caption(_ text: String, of sheet: FeatureSheet) -> FeatureCaption {
    FeatureCaption(feature: sheet.feature, caption: text, source: source, model: model, date: Today.text)
  }
}
