import Foundation
import SDLensCore

/// The activations that sdxl-unbox collects: a folder with one webdataset tar for each block, read as a stream.
///
/// A sample is a batch of pictures: `sample_{n}.diff.pth` (the update, [batch, 1, d, h, w]),
/// `sample_{n}.gen_args.json` (with the prompts) and `sample_{n}.output.pth`, which is passed over. The noise of a
/// whole batch was drawn from one generator, so that no picture has a seed of its own.
///
/// Members are grouped as webdataset groups them: what stands before the first dot of a file's name, with the folder
/// before it, is the key of a sample, the rest says in small letters what it is. A new key begins a new sample.
/// Passed over are names without a dot or that begin with one (`._sample_0.diff.pth`, which macOS puts beside files),
/// and what lies in or is called `__some__`.
public struct UnboxActivations: Sendable {
  /// What is said of a batch of pictures beside its tensors.
  public struct Batch: Sendable, Equatable {
    /// Its number, the seed of its noise.
    public let number: Int
    /// One for each picture.
    public let prompts: [String]
    /// Strength of guidance.
    public let guidance: Double
  }

  /// A batch of pictures.
  public struct Sample: Sendable {
    /// Its number and prompts.
    public let batch: Batch
    /// The update of the block, [batch, height, width, channels].
    public let update: Tensor
    /// Whether it was float64 and is rounded.
    public let isRounded: Bool
  }

  /// Where the tars lie.
  public let folder: String
  /// The blocks as they are named there: `unet.down_blocks.2.attentions.1`, or `down.2.1`.
  public let blocks: [String]
  private let files: [String: String]

  /// Looks for tars other than `images.tar`.
  ///
  /// - Throws: `FileError` when there is no such folder, `MalformedFile` when it has no tars.
  public init(_ folder: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
      throw FileError.missing(path: folder)
    }
    guard isFolder.boolValue else {
      throw MalformedFile(
        path: folder, reason: "is a file, but a folder with one .tar for each block is needed")
    }
    let tars = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
      $0.hasSuffix(".tar") && $0 != "images.tar"
    }
    guard !tars.isEmpty else {
      throw MalformedFile(
        path: folder, reason: "has no activations of sdxl-unbox: looked for one .tar for each block")
    }
    // Later versions write `down_2_1.tar` for down.2.1; module paths have dots.
    files = Dictionary(
      tars.map { tar in
        let name = String(tar.dropLast(".tar".count))
        return (name.contains(".") ? name : name.replacingOccurrences(of: "_", with: "."), tar)
      }, uniquingKeysWith: { first, _ in first })
    blocks = files.keys.sorted()
    self.folder = folder
  }

  /// The samples of a block in the order of the file, one in memory at a time.
  public func samples(of block: String) throws -> Samples {
    guard let file = files[block] else {
      throw MalformedFile(
        path: folder, reason: "has no block '\(block)'; there are \(blocks.joined(separator: ", "))")
    }
    return try Samples(tar: folder + "/" + file)
  }

  /// A tar on its way past.
  public final class Samples {
    private let path: String
    private let archive: Archive
    private var pending: Part?

    /// A file of a sample.
    private struct Part {
      let key: String
      let kind: String
      let member: Archive.Member

      /// Nil for what webdataset passes over.
      init?(_ member: Archive.Member) {
        let start = member.name.utf8.lastIndex(of: UInt8(ascii: "/")).map {
          member.name.utf8.index(after: $0)
        }
        let name = member.name[(start ?? member.name.startIndex)...]
        let first = member.name.prefix { $0 != "/" }
        guard let dot = name.firstIndex(of: "."), dot > name.startIndex,
          !(first.count >= 4 && first.hasPrefix("__") && first.hasSuffix("__"))
        else { return nil }
        key = String(member.name[..<dot])
        kind = name[dot...].dropFirst().lowercased()
        self.member = member
      }

      /// The number of its sample; nil for another file.
      var number: Int? {
        let name = key.split(separator: "/").last ?? ""
        return name.hasPrefix("sample_") ? Int(name.dropFirst("sample_".count)) : nil
      }
    }

    fileprivate init(tar path: String) throws {
      self.path = path
      archive = try Archive(tar: path)
      pending = try part()
    }

    private func part() throws -> Part? {
      while let member = try archive.next() { if let part = Part(member) { return part } }
      return nil
    }

    /// The next sample; nil at the end.
    ///
    /// - Throws: `ArchiveError`, `TorchFileError` or `MalformedFile`, naming tar and member.
    public func next() throws -> Sample? {
      var update: (tensor: Tensor, isRounded: Bool)?
      guard let batch = try parts({ update = try self.update($0) }) else { return nil }
      guard let update, update.tensor.shape[0] == batch.prompts.count else {
        throw MalformedFile(
          path: path,
          reason: "has \(batch.prompts.count) prompts for the \(update?.tensor.shape[0] ?? 0) pictures of "
            + "'sample_\(batch.number)'")
      }
      return Sample(batch: batch, update: update.tensor, isRounded: update.isRounded)
    }

    /// Passes over the next sample's tensors; nil at the end.
    ///
    /// - Throws: as `next`, but for what is wrong in the tensors.
    public func skip() throws -> Batch? { try parts { _ in } }

    /// The next sample, with its update in the hands of `read`.
    private func parts(_ read: (Archive.Member) throws -> Void) throws -> Batch? {
      guard let first = pending else { return nil }
      guard let number = first.number else {
        throw MalformedFile(
          path: path, reason: "holds '\(first.member.name)', but 'sample_{number}.…' is needed")
      }
      var (kinds, batch): (Set<String>, Batch?) = ([], nil)
      while let part = pending, part.key == first.key {
        guard kinds.insert(part.kind).inserted else {
          throw MalformedFile(path: path, reason: "holds '\(part.member.name)' twice; collect it again")
        }
        switch part.kind {
        case "diff.pth": try read(part.member)
        case "gen_args.json": batch = try self.batch(number, part.member)
        default: break
        }
        pending = try self.part()
      }
      guard kinds.contains("diff.pth"), let batch else {
        throw MalformedFile(
          path: path,
          reason: "has no '\(first.key).\(kinds.contains("diff.pth") ? "gen_args.json" : "diff.pth")'; "
            + "collect it again")
      }
      return batch
    }

    private func update(_ member: Archive.Member) throws -> (Tensor, isRounded: Bool) {
      let name = "\(path): \(member.name)"
      let file = try archive.read(member).withUnsafeBytes { try TorchFile($0, path: name) }
      guard case .tensor(let tensor) = file.root, tensor.sizes.count == 5, tensor.sizes[1] == 1,
        !tensor.sizes.contains(0)
      else {
        throw MalformedFile(
          path: name, reason: "is no update of a single step: a tensor [batch, 1, channels, height, width]")
      }
      let update = try file.tensor(tensor, name: "diff")
        .finite(name: "diff", path: name, after: tensor.isDouble ? TensorTable.rounding : nil)
      let sizes = tensor.sizes
      return (
        update.reshaped([sizes[0], sizes[2], sizes[3], sizes[4]]).channelsLast(), tensor.isDouble
      )
    }

    private func batch(_ number: Int, _ member: Archive.Member) throws -> Batch {
      let text = String(validating: try archive.read(member), as: UTF8.self) ?? ""
      // As Python writes it.
      guard case .object(let arguments)? = try? JSONValue(parsing: text, as: .python) else {
        throw MalformedFile(path: "\(path): \(member.name)", reason: "is no JSON object; collect it again")
      }
      let prompts = ["prompt", "prompts"].lazy.compactMap { key -> [String]? in
        guard case .array(let values)? = arguments[key] else { return nil }
        let texts = values.compactMap { if case .string(let text) = $0 { text } else { nil } }
        return texts.count == values.count ? texts : nil
      }.first
      guard let prompts else {
        throw MalformedFile(
          path: "\(path): \(member.name)", reason: "has no list of prompts under 'prompt'; collect it again")
      }
      let guidance: Double? =
        switch arguments["guidance_scale"] {
        case nil, .null: 0
        case .string(let text): Double(text).flatMap { $0.isFinite ? $0 : nil }
        case let value?: value.number
        }
      guard let guidance else {
        throw MalformedFile(
          path: "\(path): \(member.name)",
          reason: "has as 'guidance_scale' \(arguments["guidance_scale"] ?? .null), but it must be a number")
      }
      return Batch(number: number, prompts: prompts, guidance: guidance)
    }
  }
}
