/* vitrim's CPU engine for C and every language that calls C. Link with libvitrim.
 *
 *   vitrim_engine* engine = vitrim_load("vit.safetensors", 4, "auto");
 *   if (!engine) { puts(vitrim_error()); exit(1); }
 *   vitrim_run_sized(engine, images, 4 * 3 * 224 * 224, 4, logits, 4 * 1000);
 *   vitrim_free(engine);
 */
#ifndef VITRIM_VITRIM_H
#define VITRIM_VITRIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vitrim_engine vitrim_engine;

/* The input and output of a model. Pixels are normalised per channel: (x / 255 - mean) / std. A model of one
 * channel uses the first mean and std. */
typedef struct vitrim_shape {
  int64_t channels, height, width; /* of an image, in pixels */
  int64_t outputs;                 /* number of logits, or of features without a classifier */
  float mean[3], std[3];           /* 0.5 if the checkpoint does not state them */
} vitrim_shape;

/* Loads a checkpoint (.safetensors or .pth) to run on `threads` threads. Any model that vitrim reads is
 * supported, also with layers removed, channels pruned and tokens merged, except models for segmentation.
 * precision: "f32", "bf16" or "auto" (NULL means "auto"). A forked process can use an engine of its parent,
 * unless a thread of the parent ran it during the fork. Returns NULL on failure; vitrim_error() gives the
 * reason. */
vitrim_engine* vitrim_load(const char* path, int threads, const char* precision);

/* Properties that a checkpoint may not state, as in the program's options of the same names. 0 and NULL: not
 * given. */
typedef struct vitrim_hints {
  int64_t num_heads, image_size;
  double stream_gain, norm_eps;
  const char* activation; /* "gelu", "gelu_tanh", "quick_gelu", "relu", "silu" */
  const char* pooling;    /* "token", "average" */
  const char* weights;    /* which of several sets of weights in the file to use */
} vitrim_hints;

/* The same as vitrim_load(), with hints (NULL: none). */
vitrim_engine* vitrim_load_as(const char* path, int threads, const char* precision,
                              const vitrim_hints* hints);

/* Warnings about the loaded file, such as values that were assumed because neither the file nor the hints
 * state them: one sentence per line. Empty if there are none, or if `engine` is not an engine. Valid until
 * vitrim_free(engine). */
const char* vitrim_warnings(const vitrim_engine* engine);

/* Writes the model's input and output to `shape`. Returns 0, or 1 on failure. */
int vitrim_get_shape(const vitrim_engine* engine, vitrim_shape* shape);

/* Runs the model on a batch. images: float32 [batch, channels, height, width], normalised; out: float32
 * [batch, outputs]; image_values and out_values: the number of floats at either address. Fails if these are
 * not the numbers that the batch needs (for example images of three channels for a model of one). Returns 0,
 * or 1 on failure. Several threads may call it; the calls on one engine run one after another. */
int vitrim_run_sized(vitrim_engine* engine, const float* images, int64_t image_values, int64_t batch,
                     float* out, int64_t out_values);

/* The same without the counts. The sizes of `images` and `out` can't be checked: if they are smaller than
 * vitrim_get_shape() states, memory outside of them is read and written. */
int vitrim_run(vitrim_engine* engine, const float* images, int64_t batch, float* out);

/* Prepares one image for the model, bit-identical to `vitrim eval`. pixels: uint8 [height, width, 3], RGB,
 * rows top to bottom, of any size. out: float32 [channels, height, width] as in vitrim_get_shape(). The image
 * is resized and cropped as the checkpoint states, converted to grey for a model of one channel, and
 * normalised. out_values: the number of floats at out. Fails if the checkpoint does not state its
 * preprocessing. Returns 0, or 1 on failure. */
int vitrim_prepare(const vitrim_engine* engine, const uint8_t* pixels, int64_t height, int64_t width,
                   float* out, int64_t out_values);

/* Frees an engine. Calls that are running finish normally; later calls fail. NULL and engines that were
 * already freed are allowed. */
void vitrim_free(vitrim_engine* engine);

/* The last failure on this thread, as one sentence; empty if there was none. Valid until the next call on
 * this thread. */
const char* vitrim_error(void);

#ifdef __cplusplus
}
#endif
#endif
