// What may be shown: passwords are taken out of text before it reaches a message, a log or
// /v1/config.
//
// Rather too much than too little: a broken URL or connection string is where a password is met in
// a place where none is expected. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

namespace pointsman {

struct YamlNode;

/// Takes out what stands between ':' and '@' of a URL, and after password= and its like. References
/// (${env:NAME}) stay: they name a secret, they do not tell it.
std::string redact_text(std::string_view text);

/// Is what stands under this key always secret (password, token, headers, env, ...)?
bool is_secret_key(std::string_view key);

/// A scalar as a message may quote it, cut at 60 characters. `path` tells the key that it stands
/// under.
std::string show(const YamlNode& node, std::string_view path);

/// The whole tree, secrets and what came from references as "***".
boost::json::value redacted_json(const YamlNode& node);

/// redact_text, and references as "***": for what is printed as the value itself.
std::string redact_value(std::string_view written);

}  // namespace pointsman
