#include <curl/curl.h>

// Swift cannot call functions of variable arguments: one for each type of value.
static inline CURLcode curl_set_number(CURL *curl, CURLoption option, long value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode curl_set_size(CURL *curl, CURLoption option, curl_off_t value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode curl_set_pointer(CURL *curl, CURLoption option, const void *value) {
  return curl_easy_setopt(curl, option, value);
}
typedef size_t (*curl_receiver)(char *bytes, size_t size, size_t count, void *target);
static inline CURLcode curl_set_receiver(CURL *curl, CURLoption option, curl_receiver value) {
  return curl_easy_setopt(curl, option, value);
}
static inline CURLcode curl_get_number(CURL *curl, CURLINFO info, long *value) {
  return curl_easy_getinfo(curl, info, value);
}
