"""What TensorFlow, Pillow and OpenCV make of an image, under our names for their resizers."""
import numpy as np


def tensorflow(name, image, height, width):
    import tensorflow as tf

    batch = tf.constant(image[None], tf.float32)
    size = (height, width)
    v1, v2 = tf.compat.v1.image, tf.image
    out = {
        "tf1_bilinear": lambda: v1.resize_bilinear(batch, size, align_corners=False),
        "tf1_nearest": lambda: v1.resize_nearest_neighbor(batch, size, align_corners=False),
        "tf1_bicubic": lambda: v1.resize_bicubic(batch, size, align_corners=False),
        "tf1_area": lambda: v1.resize_area(batch, size, align_corners=False),
        "tf2_bilinear": lambda: v2.resize(batch, size, "bilinear", antialias=False),
        "tf2_bicubic": lambda: v2.resize(batch, size, "bicubic", antialias=False),
    }[name]()
    return out.numpy()[0]


def pillow(name, image, height, width):
    from PIL import Image

    kind = {"pil_bilinear": Image.BILINEAR, "pil_bicubic": Image.BICUBIC, "pil_lanczos": Image.LANCZOS,
            "antialias_bilinear": Image.BILINEAR}[name]
    return np.asarray(Image.fromarray(image).resize((width, height), kind), np.float32)


def opencv(name, image, height, width):
    """OpenCV's own: bilinear with half-pixel centres; nearest as TensorFlow 1's; area for whole factors and down alone."""
    import cv2

    kind = {"tf2_bilinear": cv2.INTER_LINEAR, "tf1_nearest": cv2.INTER_NEAREST, "tf1_area": cv2.INTER_AREA}[name]
    return cv2.resize(image.astype(np.float32), (width, height), interpolation=kind)


PEERS = {
    "tf1_bilinear": [tensorflow], "tf1_nearest": [tensorflow, opencv], "tf1_bicubic": [tensorflow],
    "tf1_area": [tensorflow, opencv], "tf2_bilinear": [tensorflow, opencv], "tf2_bicubic": [tensorflow],
    "pil_bilinear": [pillow], "pil_bicubic": [pillow], "pil_lanczos": [pillow], "antialias_bilinear": [pillow],
}


def versions():
    import cv2
    import PIL
    import tensorflow as tf

    return f"TensorFlow {tf.__version__}, Pillow {PIL.__version__}, OpenCV {cv2.__version__}, numpy {np.__version__}"
