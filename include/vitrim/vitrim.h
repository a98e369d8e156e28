/* vitrim's CPU engine for C and every language that calls C. Link with libvitrim.
 *
 *   vitrim_engine* engine = vitrim_load("vit.safetensors", 4, "auto");
 *   if (!engine) { puts(vitrim_error()); exit(1); }
 *   vitrim_run(engine, images, batch, logits);
 *   vitrim_free(engine);
 */
#ifndef VITRIM_VITRIM_H
#define VITRIM_VITRIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct vitrim_engine vitrim_engine;

/* What a model takes and gives. Pixels are normalised channel by channel: (x / 255 - mean) / std. */
typedef struct vitrim_shape {
  int64_t channels, height, width; /* of an image */
  int64_t outputs;                 /* logits, or features of a model without a classifier */
  float mean[3], std[3];           /* 0.5 where the checkpoint does not say */
} vitrim_shape;

/* A checkpoint (.safetensors or .pth; any model of vitrim's but one for segmentation, also cut, pruned and
 * merged) on `threads` threads. precision: "f32", "bf16" or "auto" (NULL is "auto"). Not to be used in a
 * process that was forked after it was made. NULL on failure; vitrim_error() says why. */
vitrim_engine* vitrim_load(const char* path, int threads, const char* precision);

/* 0, or 1 on failure. */
int vitrim_get_shape(const vitrim_engine* engine, vitrim_shape* shape);

/* images: float32 [batch, channels, height, width], normalised; out: float32 [batch, outputs]. 0, or 1 on
 * failure. Any number of threads may call it; calls on one engine follow one another. */
int vitrim_run(vitrim_engine* engine, const float* images, int64_t batch, float* out);

/* NULL is allowed. */
void vitrim_free(vitrim_engine* engine);

/* The last failure on this thread, one sentence; empty before there was one. Valid until the next call on
 * this thread. */
const char* vitrim_error(void);

#ifdef __cplusplus
}
#endif
#endif
