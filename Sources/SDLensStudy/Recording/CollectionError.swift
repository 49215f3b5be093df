import Foundation
import SDLensCore

/// A folder that holds a store of another job.
public struct OtherStore: UserError {
  let path: String
  let difference: (setting: String, ours: String, theirs: String)

  init(path: String, _ difference: (setting: String, ours: String, theirs: String)) {
    (self.path, self.difference) = (path, difference)
  }

  /// The store, the setting that differs and both values.
  public var description: String {
    "'\(path)' was begun with \(difference.setting) \(difference.ours), but \(difference.theirs) is asked for now; "
      + "ask for the same, give the new store another name with collect --name, or train on this one as it is with "
      + "--store \((path as NSString).lastPathComponent)"
  }
}

/// A folder that is not empty and holds no store.
public struct FolderInUse: UserError {
  let path: String
  /// The file by which a folder is known.
  var file = "manifest.json"
  /// The folder and what to do.
  public var description: String {
    "'\(path)' holds other files and no \(file); choose an empty or a new folder"
  }
}

/// A store that does not fit on the disk.
public struct StoreTooLarge: UserError {
  let needed: Int
  let free: Int
  let advice: String
  /// Both sizes, and how to make it smaller.
  public var description: String {
    "the store will take \(gigabytes(needed)), but the disk has \(gigabytes(free)) free; \(advice)"
  }

  private func gigabytes(_ bytes: Int) -> String {
    if bytes < 1 << 20 { return "\(bytes >> 10) kB" }
    return bytes < 1 << 30 ? "\(bytes >> 20) MB" : "\((Double(bytes) / 1e8).rounded() / 10) GB"
  }
}
