#ifndef VOLERY_CPOSTGRES_H
#define VOLERY_CPOSTGRES_H

#include <libpq-fe.h>

#endif
