/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/stride.h - sanitizers make a case ten times as long: of large sets they get every STRIDE-th */
#ifndef DOORBELL_TESTS_STRIDE_H
#define DOORBELL_TESTS_STRIDE_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STRIDE 23u
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define STRIDE 23u
#endif
#endif
#ifndef STRIDE
#define STRIDE 1u
#endif

_Static_assert(STRIDE >= 1, "one of so many");

#endif
