/// Nearest-neighbour resizing (torch.nn.functional.interpolate, mode "nearest").
public enum Upsampling {
  /// [batch, h, w, channels] → [batch, height, width, channels]: output pixel y reads input `⌊y · h / height⌋`.
  public static func nearest(_ x: Tensor, height: Int, width: Int) -> Tensor {
    let (batch, h, w, channels) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    // PyTorch forms the ratio in float32, which decides where a quotient falls on a whole number.
    func sources(_ count: Int, _ size: Int) -> [Int] {
      let ratio = Float(size) / Float(count)
      return (0..<count).map { min(Int((Float($0) * ratio).rounded(.down)), size - 1) }
    }
    let (lines, places) = (sources(height, h), sources(width, w))
    var result = Tensor(uninitialized: [batch, height, width, channels])
    let size = width * channels
    x.withElements { x in
      result.updateRows(ofWidth: size, grain: max(1, 16384 / max(1, size))) { y, rows in
        for (index, row) in rows.enumerated() {
          let line = x.baseAddress! + (row / height * h + lines[row % height]) * w * channels
          for place in 0..<width {
            (y + index * size + place * channels).update(
              from: line + places[place] * channels, count: channels)
          }
        }
      }
    }
    return result
  }
}
