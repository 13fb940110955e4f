// SPDX-License-Identifier: Apache-2.0
// "uniqueItems" and "contains": a grammar does not count what came before, so arrays that they
// speak of are written out as alternatives, where these are few.
#include <algorithm>

#include "grammar/schema_expander.h"

namespace lazyllm::grammar {
namespace {

/// Items among which the one that "contains" asks for is looked for.
constexpr uint32_t kMostPlaces = 16;

}  // namespace

std::vector<Form> SchemaExpander::array_forms(const Form& form, const Json& place) {
  Form plain = form;
  plain.contains.clear();
  plain.unique_items = false;
  Forms result = {plain};
  const bool unique = form.unique_items && form.most_items > 1;
  if (form.contains.size() + (unique ? 1 : 0) > 1) {
    document_.refuse(place,
                     "\"contains\" is not supported together with another one or \"uniqueItems\"");
  }
  if (unique) result = with_unique_items(plain, place);
  if (!form.contains.empty()) result = with_contained_items(plain, form.contains[0], place);
  if (result.size() > kMostForms) {
    document_.refuse(place, "its arrays have more than {} alternatives", kMostForms);
  }
  return result;
}

/// All scalars that may fulfil these schemas, none twice; refuses where they are no list of
/// scalars.
std::vector<const Json*> SchemaExpander::values_of(const Schemas& schemas, const Json& place) {
  std::vector<const Json*> values;
  const auto add = [&](const Json& value) {
    const bool known = std::any_of(values.begin(), values.end(),
                                   [&](const Json* other) { return same_value(value, *other); });
    if (!known) values.push_back(&value);
  };
  for (const Form& form : expand(schemas)) {
    if (form.literals) {
      for (const Json* value : *form.literals) {
        if (value->is_structured()) break;
        if ((type_of(*value) & form.types) != 0) add(*value);
      }
      const bool scalar = std::none_of(form.literals->begin(), form.literals->end(),
                                       [](const Json* value) { return value->is_structured(); });
      if (scalar) continue;
    } else if ((form.types & ~(kNull | kBoolean)) == 0) {
      if ((form.types & kNull) != 0) add(keep(Json()));
      if ((form.types & kBoolean) != 0) {
        add(keep(Json(false)));
        add(keep(Json(true)));
      }
      continue;
    }
    document_.refuse(place,
                     "\"uniqueItems\" is supported for items of few values: \"enum\", \"const\", "
                     "booleans and null; leave it out, or give \"maxItems\": 1");
  }
  return values;
}

/// Every arrangement of different values, in a tree: each array is one path from its root.
SchemaExpander::Forms SchemaExpander::with_unique_items(Form form, const Json& place) {
  // Beyond all different values of the further items there is no further item.
  std::vector<const Json*> further;
  if (form.most_items > form.first_items.size()) further = values_of(form.further_items, place);
  std::vector<std::vector<const Json*>> values;
  for (size_t i = 0; i < form.first_items.size() && i < form.most_items; ++i) {
    values.push_back(values_of(form.first_items[i], place));
  }
  Forms result;
  std::vector<const Json*> chosen;
  const auto extend = [&](const auto& self) -> void {
    if (chosen.size() >= form.fewest_items) {
      Form arrays = form;
      arrays.first_items.clear();
      for (size_t i = 0; i < chosen.size(); ++i) {
        const Json& only = keep({{"const", *chosen[i]}});
        arrays.first_items.push_back(both(form.item(i), {&only}));
      }
      arrays.fewest_items = arrays.most_items = static_cast<uint32_t>(chosen.size());
      result.push_back(std::move(arrays));
      if (result.size() > kMostForms) {
        document_.refuse(place,
                         "\"uniqueItems\" is supported for few values: these have more than {} "
                         "arrangements; leave it out, or give \"maxItems\"",
                         kMostForms);
      }
    }
    if (chosen.size() >= form.most_items) return;
    spend(place, 1);
    for (const Json* value : chosen.size() < values.size() ? values[chosen.size()] : further) {
      const bool used = std::any_of(chosen.begin(), chosen.end(),
                                    [&](const Json* other) { return same_value(*value, *other); });
      if (used) continue;
      chosen.push_back(value);
      self(self);
      chosen.pop_back();
    }
  };
  extend(extend);
  return result;
}

/// The first of the items that are asked for stands at one place after the other; the others
/// follow it at once.
SchemaExpander::Forms SchemaExpander::with_contained_items(Form form, const ContainsRule& rule,
                                                           const Json& place) {
  Forms result;
  if (rule.fewest > rule.most) return result;
  const bool counted = rule.most < kUnbounded;
  // Where they are counted, the other items must not be such.
  Schemas others;
  if (counted) {
    const Json& all = keep({{"allOf", Json::array()}});
    Json wanted = all;
    for (const Json* schema : rule.schemas) wanted["allOf"].push_back(*schema);
    if (rule.schemas.empty()) wanted = true;
    others = {&negation_.of(keep(std::move(wanted)))};
  }
  if (counted && rule.most > 1) {
    document_.refuse(place, "\"maxContains\" is supported up to 1");
  }
  if (rule.fewest > kMostPlaces) {
    document_.refuse(place, "\"minContains\" is supported up to {}", kMostPlaces);
  }
  const auto written = [&](uint32_t before, uint32_t contained) {
    Form arrays = form;
    arrays.first_items.clear();
    const auto count = std::max(before + contained, static_cast<uint32_t>(form.first_items.size()));
    for (uint32_t i = 0; i < count; ++i) {
      const bool inside = i >= before && i < before + contained;
      arrays.first_items.push_back(both(form.item(i), inside ? rule.schemas : others));
    }
    arrays.further_items = both(form.further_items, others);
    arrays.fewest_items = std::max(form.fewest_items, before + contained);
    if (arrays.fewest_items <= arrays.most_items) result.push_back(std::move(arrays));
  };
  if (rule.fewest == 0) written(0, 0);
  const uint32_t contained = std::max<uint32_t>(rule.fewest, 1);
  if (contained > rule.most) return result;
  for (uint32_t before = 0; before < kMostPlaces; ++before) written(before, contained);
  return result;
}

}  // namespace lazyllm::grammar
