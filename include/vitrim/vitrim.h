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

/* What a model takes and gives. Pixels are normalised channel by channel: (x / 255 - mean) / std; one channel
 * with the first mean and std. */
typedef struct vitrim_shape {
  int64_t channels, height, width; /* of an image */
  int64_t outputs;                 /* logits, or features of a model without a classifier */
  float mean[3], std[3];           /* 0.5 where the checkpoint does not say */
} vitrim_shape;

/* A checkpoint (.safetensors or .pth; any model of vitrim's but one for segmentation, also cut, pruned and
 * merged) on `threads` threads. precision: "f32", "bf16" or "auto" (NULL is "auto"). A forked process can use
 * what its parent loaded, unless a thread of the parent was running it during the fork. NULL on failure;
 * vitrim_error() says why. */
vitrim_engine* vitrim_load(const char* path, int threads, const char* precision);

/* What a checkpoint may not say by itself, as the program's flags of these names say it. 0 and NULL: not
 * said. */
typedef struct vitrim_hints {
  int64_t num_heads, image_size;
  double stream_gain, norm_eps;
  const char* activation; /* "gelu", "gelu_tanh", "quick_gelu", "relu", "silu" */
  const char* pooling;    /* "token", "average" */
  const char* weights;    /* one of several sets of weights in the file */
} vitrim_hints;

/* vitrim_load() with hints; NULL for none. */
vitrim_engine* vitrim_load_as(const char* path, int threads, const char* precision,
                              const vitrim_hints* hints);

/* What was assumed about the file, as neither it nor the hints say it, and what else to know of it:
 * sentences, one a line; empty where there is nothing, or the engine is none. Valid until
 * vitrim_free(engine). */
const char* vitrim_warnings(const vitrim_engine* engine);

/* 0, or 1 on failure. */
int vitrim_get_shape(const vitrim_engine* engine, vitrim_shape* shape);

/* images: float32 [batch, channels, height, width], normalised; out: float32 [batch, outputs]; image_values
 * and out_values: how many floats lie at either. Fails where these are not what the batch needs: images of
 * three channels for a model of one, say. 0, or 1 on failure. Any number of threads may call it; calls on one
 * engine follow one another. */
int vitrim_run_sized(vitrim_engine* engine, const float* images, int64_t image_values, int64_t batch,
                     float* out, int64_t out_values);

/* The same without the counts: what lies at `images` and `out` cannot be checked, and where it is less than
 * vitrim_get_shape() says, memory beyond is read and written. */
int vitrim_run(vitrim_engine* engine, const float* images, int64_t batch, float* out);

/* An image as the model takes it, to the bit as `vitrim eval` prepares it: pixels uint8 [height, width, 3],
 * RGB, rows top to bottom, of any size -> out float32 [channels, height, width] of vitrim_get_shape():
 * resized and cropped as the checkpoint says, made grey for a model of one channel, normalised. out_values:
 * how many floats lie at out. Fails where the checkpoint does not say how its images were prepared. 0, or 1
 * on failure. */
int vitrim_prepare(const vitrim_engine* engine, const uint8_t* pixels, int64_t height, int64_t width,
                   float* out, int64_t out_values);

/* Calls that are under way end as ever, later ones fail. NULL and what was freed already are allowed. */
void vitrim_free(vitrim_engine* engine);

/* The last failure on this thread, one sentence; empty before there was one. Valid until the next call on
 * this thread. */
const char* vitrim_error(void);

#ifdef __cplusplus
}
#endif
#endif
