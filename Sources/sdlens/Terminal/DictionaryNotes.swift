import SDLensSparse

extension SavedAutoencoder {
  /// Says on standard error what reading has changed, as where numbers were rounded.
  func sayNotes() {
    let progress = Progress(quiet: false)
    for note in notes { progress.note(note) }
  }
}
