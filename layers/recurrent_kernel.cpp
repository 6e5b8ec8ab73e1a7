#include "tally/layers/recurrent_methods.h"

namespace tally {

void list_recurrent_kernel(const RecurrentTask&, const PlanContext&, std::vector<Candidate>&) {}
void prepare_recurrent_kernel(const RecurrentTask&, const Candidate&, Preparation&) {}

}  // namespace tally
