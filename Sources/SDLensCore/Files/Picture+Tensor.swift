extension Picture {
  /// The first picture of a tensor [batch, height, width, channels] of samples 0…1.
  ///
  /// `round(255 x)` with halves to even, as diffusers does; what is beyond 0…1 is clipped, and NaN is black.
  public init(_ tensor: Tensor) {
    let (height, width, channels) = (tensor.shape[1], tensor.shape[2], tensor.shape[3])
    let samples = tensor.withElements { x in
      x.prefix(height * width * channels).map { x in
        UInt8((min(max(0, x), 1) * 255).rounded(.toNearestOrEven))
      }
    }
    self.init(width: width, height: height, channels: channels, samples: samples)
  }
}
