import SDLensCore

/// A drawing that cannot be made or written.
public enum PictureError: UserError, Equatable {
  case unknownFormat(path: String)
  case tooLarge(width: Int, height: Int, most: Int)
  case wrongCellCount(row: Int, found: Int, needed: Int)
  case noFonts
  case drawing(reason: String)

  /// The sentence for the user.
  public var description: String {
    switch self {
    case .unknownFormat(let path):
      "'\(path)' cannot be written: its name ends in no known format; end it in .png, .svg or .pdf"
    case .tooLarge(let width, let height, let most):
      "a drawing of \(width) × \(height) pixels cannot be made: at most \(most) are possible in each direction; "
        + "ask for fewer or smaller parts"
    case .wrongCellCount(let row, let found, let needed):
      "row \(row) of the grid has \(found) pictures, but \(needed) are needed; give one for each column"
    case .noFonts:
      "there are no fonts, so that no text can be drawn; install some, e.g. with: apt-get install fonts-dejavu-core"
    case .drawing(let reason): "the drawing cannot be made: \(reason)"
    }
  }
}
