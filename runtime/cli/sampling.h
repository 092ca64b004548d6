// How the command line wants tokens to be chosen, for run and chat.
#ifndef TL_CLI_SAMPLING_H
#define TL_CLI_SAMPLING_H

#include "runtime/cli/cli.h"

static inline tlmc_sampling tl_cli_sampling(const tl_cli_options *options) {
  return (tlmc_sampling){
      .size = sizeof(tlmc_sampling),
      .temperature = (float)options->temperature,
      .top_k = (int32_t)options->top_k,
      .top_p = (float)options->top_p,
      .min_p = (float)options->min_p,
      .repetition_penalty = (float)options->repetition_penalty,
      .presence_penalty = (float)options->presence_penalty,
      .frequency_penalty = (float)options->frequency_penalty,
      .seed = options->seed,
  };
}

#endif
