import Foundation
import SDLensCore
import SDLensDiffusion
import SDLensTestSupport
import Testing

func nhwc(_ t: Tensor) -> Tensor {
  let (b, c, h, w) = (t.shape[0], t.shape[1], t.shape[2], t.shape[3])
  var r = Tensor(repeating: 0, [b, h, w, c])
  for i in 0..<b { for k in 0..<c { for p in 0..<h * w { r[(i * h * w + p) * c + k] = t[(i * c + k) * h * w + p] } } }
  return r
}
@Test func provisional() throws {
  let f = try Safetensors(contentsOf: "/root/lab/prov.safetensors")
  let tiny = "Tests/SDLensDiffusionTests/Goldens/tiny"
  let file = try WeightFile(folder: tiny + "/unet", name: "diffusion_pytorch_model")
  let unet = try UNet(file.root, config: UNetConfig(ConfigFile(tiny + "/unet/config.json")))
  try file.finish(ignoring: [])
  let n = unet(nhwc(try f.tensor("x")), timestep: 999, text: try f.tensor("c"), pooled: try f.tensor("p"), timeIDs: [72, 104, 0, 0, 72, 104])
  print(Closeness(n.elements, to: nhwc(try f.tensor("n")).elements))
  let vf = try WeightFile(folder: tiny + "/vae", name: "diffusion_pytorch_model")
  let vae = try Decoder(vf.root, config: DecoderConfig(ConfigFile(tiny + "/vae/config.json")))
  print(Closeness(vae(nhwc(try f.tensor("x"))).elements, to: nhwc(try f.tensor("im")).elements))
}
