/// The version of this program.
public enum Version {
  /// As `--version` prints it and pictures carry it.
  public static let current = "0.1.0"
}
