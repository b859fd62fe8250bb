// Answers to everything but the plain /health: who may ask, which document, is it still fresh.
//
// Documents are rendered when asked for and kept until the snapshot's generation changes, at most
// for `document_max_age` (what the shell adds has no generation); those of one thing or of a wanted
// length are not kept. Flags, reload and commands go to HttpSource. What changes anything is for
// operators (the control socket) alone, whatever address or token asks. On the loop's thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/http/address_range.hpp"
#include "daemon/http/documents/documents.hpp"
#include "daemon/http/health_answer.hpp"
#include "daemon/http/request.hpp"
#include "daemon/http/response.hpp"
#include "daemon/http/router.hpp"
#include "daemon/http/settings.hpp"
#include "daemon/http/source.hpp"

namespace pointsman {

/// Who asks: an operator (control socket), or whoever is at the other end of this socket.
struct Asker {
  bool is_operator = false;
  int descriptor = -1;
};

class Answers {
 public:
  static constexpr Duration document_max_age = std::chrono::milliseconds{250};

  Answers(const HttpSource& source, HealthAnswer& health, const HttpSettings& settings);
  void set_access(const HttpSettings& settings);

  Answer answer(const Request& request, Asker asker, MonoTime now);

  /// Lets go of documents that nobody has asked for lately.
  void forget_old(MonoTime now);
  bool idle() const { return kept_.empty(); }

 private:
  struct Kept {
    std::uint64_t generation = 0;
    MonoTime at{};
    Answer answer;
  };
  enum class Shape { plain, health_json };

  bool may_read(const Request& request, Asker asker) const;
  bool has_token(const Request& request) const;
  /// Which document, and what of it.
  struct Question {
    Place place;
    Shape shape = Shape::plain;
    std::optional<std::size_t> limit;  ///< of a list; absent: the usual
  };

  Answer get(const Place& place, const Request& request, MonoTime now);
  Answer document(const Question& question, MonoTime now);
  Answer render(const Question& question, const DocumentInput& input) const;
  Answer one_of(const Place& place, const DocumentInput& input) const;
  Answer events(const Request& request) const;
  Answer flag(const std::string& name) const;
  Answer change(const Place& place, const Request& request, int descriptor) const;
  Answer reload() const;
  Answer command(const std::string& name, const Request& request, int descriptor) const;
  Answer test_notifier(const boost::json::object& body) const;
  const TimeScale& times(MonoTime now);

  const HttpSource& source_;
  HealthAnswer& health_;
  std::vector<AddressRange> details_from_;
  Secret token_;
  std::map<std::pair<Resource, Shape>, Kept> kept_;
  std::optional<TimeScale> times_;
};

}  // namespace pointsman
