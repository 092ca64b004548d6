// Requests: the higher level of the public interface.
#include "runtime/engine/session.h"

tl_status tl_requests_create(tlmc_session *session, const tlmc_session_options *options) {
  (void)session, (void)options;
  return TL_OK;
}

void tl_requests_destroy(tlmc_session *session) {
  (void)session;
}

void tl_requests_info(const tlmc_session *session, tlmc_session_facts *facts) {
  (void)session, (void)facts;
}
