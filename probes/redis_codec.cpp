#include "probes/redis_codec.hpp"

#include <cstring>
#include <new>

#include <fmt/format.h>
#include <hiredis/read.h>

namespace pointsman {
namespace {

// hiredis builds no objects of its own here: it asks for each value of the tree, and gets a place
// in its parent's elements. Only a root is owned by the reader. Its private data counts the
// elements that were announced so far: seven bytes announce a thousand, within an array that is not
// yet whole.

RedisReply* place_for(const redisReadTask* task) {
  if (task->parent == nullptr) return new (std::nothrow) RedisReply;
  auto* parent = static_cast<RedisReply*>(task->parent->obj);
  return &parent->elements[static_cast<std::size_t>(task->idx)];
}

void* make_text(const redisReadTask* task, char* text, std::size_t size) {
  auto* reply = place_for(task);
  if (reply == nullptr) return nullptr;
  reply->kind = task->type == REDIS_REPLY_ERROR ? RedisReply::Kind::error : RedisReply::Kind::text;
  reply->text.assign(text, size);
  return reply;
}

void* make_array(const redisReadTask* task, int elements) {
  auto& left = *static_cast<int*>(task->privdata);
  if (elements < 0 || elements > RedisDecoder::max_elements || elements > left) return nullptr;
  left -= elements;
  auto* reply = place_for(task);
  if (reply == nullptr) return nullptr;
  reply->kind = RedisReply::Kind::array;
  reply->elements.resize(static_cast<std::size_t>(elements));
  return reply;
}

void* make_integer(const redisReadTask* task, long long value) {
  auto* reply = place_for(task);
  if (reply == nullptr) return nullptr;
  reply->kind = RedisReply::Kind::integer;
  reply->integer = value;
  return reply;
}

void* make_nil(const redisReadTask* task) {
  return place_for(task);
}

void free_root(void* reply) {
  delete static_cast<RedisReply*>(reply);
}

redisReplyObjectFunctions functions{&make_text, &make_array, &make_integer, &make_nil, &free_root};

}  // namespace

struct RedisDecoder::Reader {
  redisReader* handle = ::redisReaderCreateWithFunctions(&functions);
  int elements_left = max_elements_in_all;
  Reader() {
    if (handle == nullptr) throw std::bad_alloc();
    handle->privdata = &elements_left;
  }
  ~Reader() { ::redisReaderFree(handle); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

RedisDecoder::RedisDecoder() : reader_(std::make_unique<Reader>()) {}
RedisDecoder::~RedisDecoder() = default;

void RedisDecoder::feed(std::string_view bytes) {
  if (!broken_.empty()) return;
  if (bytes.size() > max_bytes - taken_) {
    broken_ = fmt::format("more than {} KiB", max_bytes / 1024);
    return;
  }
  taken_ += bytes.size();
  if (::redisReaderFeed(reader_->handle, bytes.data(), bytes.size()) != REDIS_OK) {
    broken_ = "no memory for it";
  }
}

std::optional<RedisReply> RedisDecoder::next() {
  if (!broken_.empty()) return std::nullopt;
  void* made = nullptr;
  if (::redisReaderGetReply(reader_->handle, &made) != REDIS_OK) {
    // hiredis's words quote what came; a refused array is "Out of memory" to it.
    broken_ = reader_->handle->err == REDIS_ERR_OOM ? "a reply that is too large" : "other bytes";
    return std::nullopt;
  }
  if (made == nullptr) return std::nullopt;
  const std::unique_ptr<RedisReply> reply(static_cast<RedisReply*>(made));
  return std::move(*reply);
}

std::string encode_redis_command(const std::vector<std::string>& words) {
  std::string text = fmt::format("*{}\r\n", words.size());
  for (const auto& word : words) {
    text += fmt::format("${}\r\n", word.size());
    text += word;
    text += "\r\n";
  }
  return text;
}

}  // namespace pointsman
