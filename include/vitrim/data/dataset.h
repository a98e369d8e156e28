#pragma once
// Labelled images by index: image folders, CIFAR binaries, tar shards, and the synthetic set that vitrim
// draws itself.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace vitrim::data {

/// An 8-bit RGB image, rows top to bottom, channels interleaved (HWC).
struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> pixels;
};

/// Pixels of the largest image that is decoded, and that resizing may make, where nothing else is said: more
/// than cameras take. A header that asks for more is damaged or hostile, and memory is not spent on it.
inline constexpr int64_t kMaxPixels = int64_t{1} << 26;

/// The class of a mask's pixel that counts for nothing.
inline constexpr uint8_t kIgnoredClass = 255;

/// A class for every pixel, rows top to bottom.
struct Mask {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> classes;
};

/// Random access to labelled images. `read` is thread-safe.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  /// Class index; -1 where the set has no labels (a flat folder).
  virtual int64_t label(int64_t index) const = 0;
  /// The file's path, or "cifar100:test:17" and the like, for messages.
  virtual std::string name(int64_t index) const = 0;
  /// Decodes one image. Throws FormatError where it is corrupt.
  virtual Image read(int64_t index) const = 0;
  /// Number of classes that labels refer to; 0 where unknown.
  virtual int64_t num_classes() const = 0;
  /// Whether num_classes() is the set's own number; otherwise it is one more than the largest label there
  /// (tar shards), and there may be more classes.
  virtual bool declares_classes() const { return true; }
  /// Whether a classifier over `classes` fits the labels.
  bool fits_classes(int64_t classes) const {
    return declares_classes() ? num_classes() == classes : num_classes() <= classes;
  }
  /// Whether every image has a mask instead of a label.
  virtual bool has_masks() const { return false; }
  /// Decodes one image's mask. Throws FormatError where it is corrupt, std::logic_error where the set has
  /// none.
  virtual Mask read_mask(int64_t index) const;
  /// Names of the classes in order; empty where unknown.
  virtual std::vector<std::string> class_names() const { return {}; }
  virtual std::string description() const = 0;  ///< "image folder DIR, 700 images"
  /// "N files, sha256 ..." over names and file sizes (of a CIFAR file: its bytes); the same for the same data
  /// wherever the folder lies.
  virtual std::string fingerprint() const = 0;
  /// One past the last index of each run of images that lie together (tar shards), for samplers that shuffle
  /// by shard and buffer; the last entry is size(). Empty: random access is cheap everywhere.
  virtual std::vector<int64_t> shard_ends() const { return {}; }
  /// The most pixels that an image may have, decoded or resized.
  int64_t max_pixels() const { return max_pixels_; }

 protected:
  explicit Dataset(int64_t max_pixels = kMaxPixels) : max_pixels_(max_pixels) {}

 private:
  int64_t max_pixels_;
};

/// How the names of class folders are ordered where nothing else gives a class its index.
enum class ClassOrder {
  kUnsaid,         ///< the one order where both are the same; else open_dataset() refuses and shows both
  kLexicographic,  ///< by characters: 1, 10, 2; Banana, apple (torchvision, Keras, Hugging Face datasets)
  kNatural,        ///< numbers by value, whatever the case: 1, 2, 10; apple, Banana (timm)
};
/// "lexicographic" or "natural"; throws std::invalid_argument on anything else.
ClassOrder parse_class_order(const std::string& name);

struct DatasetOptions {
  /// A class list (data/class_list.h): its lines are the class folders in the order of their indices. A line
  /// is a folder's name where there is such a folder, else its first word is. Empty: none.
  std::string classes_file = {};
  ClassOrder class_order = ClassOrder::kUnsaid;
  /// The model's names of its classes. Where class_order is unsaid and every class folder bears one of them
  /// (case and underscores for blanks aside; "tench" for "tench, Tinca tinca"), they give the indices.
  std::vector<std::string> class_names = {};
  /// Whether labels are wanted. Without, class folders are only folders of images: nothing about their order
  /// is asked, and every label is -1.
  bool labels = true;
  int64_t max_pixels = kMaxPixels;  ///< of one image; see Dataset::max_pixels()
};

/// Opens what `source` names:
/// - a folder of class folders, or a flat folder of images, unlabelled. JPEG, PNG and WebP by content, any
/// case
///   of extension; hidden files are skipped. Images are in sorted path order. Images in other formats and
///   special files are passed over, with a warning that counts them;
/// - a CIFAR-10/100 `.bin` file (told apart by record size; fine labels);
/// - tar archives in WebDataset's layout, `x.tar` or several as `train-{0000..1023}.tar` and `{a,b}.tar`.
///   Members that share their path up to the first dot of the base name are one sample: an image (.jpg,
///   .jpeg, .png, .webp) and its class index as text (.cls); other members are ignored, with a warning that
///   counts those that look like images; no .cls at all: unlabelled.
///   ustar, GNU and pax, not compressed. Nothing is extracted: opening reads all headers, several shards at
///   once, and `read` reads one member. Images are in the order of shards and bytes;
/// - an ADE20K folder, which holds `images` and `annotations`, or `FOLDER:SPLIT` for the folders SPLIT in
/// those (training,
///   validation): every image has an 8-bit PNG of the same name whose 0 is ignored and whose 1..150 are the
///   classes 0..149; names come from objectInfo150.txt where that lies in FOLDER, or, with their number, from
///   a class list;
/// - `synthetic-masks:SPLIT[:COUNT]`, the synthetic set with masks;
/// - `synthetic:SPLIT[:COUNT]` with SPLIT one of train, calib, val, test (each drawn from its own seeds;
///   default counts in data/synthetic.h).
///
/// Throws vitrim::Error: missing (every missing shard is counted, the first ten named), empty, a file where a
/// folder is meant, a folder of splits (train, val), a folder name that is not in the class list, class
/// folders whose order is in doubt; FormatError with the byte where an archive is damaged or cut off;
/// std::invalid_argument where a class list comes with tar shards or with a class order, and where max_pixels
/// is below 1.
std::unique_ptr<Dataset> open_dataset(const std::string& source, const DatasetOptions& options = {});
/// Whether open_dataset() takes `source` for tar shards, with which a class list does not go.
bool is_tar_name(const std::string& source);

/// JPEG (grey, YCbCr, CMYK/YCCK), PNG (grey, palette, alpha dropped onto nothing, 16 bit) or WebP (alpha
/// dropped) to RGB. `name` is for messages. Throws FormatError where the file is corrupt, in another format,
/// or asks for more than `max_pixels` pixels, or for work out of all proportion (hundreds of scans).
Image decode_image(const uint8_t* bytes, size_t count, const std::string& name,
                   int64_t max_pixels = kMaxPixels);
/// PNG with one channel of at most 8 bits, grey or palette, its values as they are stored (no palette, no
/// scaling).
Mask decode_mask(const uint8_t* bytes, size_t count, const std::string& name,
                 int64_t max_pixels = kMaxPixels);

/// An image and its mask, of the same size.
struct SegmentedImage {
  Image image;
  Mask mask;
};
/// Reads both of image `index`. Throws FormatError, also where their sizes differ.
SegmentedImage read_segmented(const Dataset& dataset, int64_t index);

}  // namespace vitrim::data
