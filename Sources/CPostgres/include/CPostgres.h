// PostgreSQL's client library, loaded when it is first needed: a platform on SQLite needs neither it nor the twenty
// libraries that it brings along. The declarations are those of its documented interface, which `libpq.so.5` keeps.
// Source: https://www.postgresql.org/docs/current/libpq.html
#ifndef VOLERY_CPOSTGRES_H
#define VOLERY_CPOSTGRES_H

#include <stddef.h>

#pragma GCC visibility push(hidden)

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;
typedef struct pg_cancel PGcancel;
typedef unsigned int Oid;

typedef enum { CONNECTION_OK, CONNECTION_BAD } ConnStatusType;

typedef enum {
    PGRES_EMPTY_QUERY,
    PGRES_COMMAND_OK,
    PGRES_TUPLES_OK,
    PGRES_COPY_OUT,
    PGRES_COPY_IN,
    PGRES_BAD_RESPONSE,
    PGRES_NONFATAL_ERROR,
    PGRES_FATAL_ERROR,
    PGRES_COPY_BOTH,
    PGRES_SINGLE_TUPLE,
    PGRES_PIPELINE_SYNC,
    PGRES_PIPELINE_ABORTED
} ExecStatusType;

typedef enum {
    PQTRANS_IDLE,
    PQTRANS_ACTIVE,
    PQTRANS_INTRANS,
    PQTRANS_INERROR,
    PQTRANS_UNKNOWN
} PGTransactionStatusType;

typedef struct pgNotify {
    char *relname;
    int be_pid;
    char *extra;
    struct pgNotify *next;
} PGnotify;

typedef struct {
    char *keyword;
    char *envvar;
    char *compiled;
    char *val;
    char *label;
    char *dispchar;
    int dispsize;
} PQconninfoOption;

typedef void (*PQnoticeProcessor)(void *argument, const char *message);

// Loads the library, once for the process. Returns 0 where it cannot be; nothing below may be called then.
int volery_libpq_load(void);
// Why it could not be loaded, after `volery_libpq_load` returned 0.
const char *volery_libpq_reason(void);

int PQlibVersion(void);
PQconninfoOption *PQconninfoParse(const char *conninfo, char **message);
void PQconninfoFree(PQconninfoOption *options);
PGconn *PQconnectdbParams(const char *const *keywords, const char *const *values, int expands_dbname);
void PQfinish(PGconn *connection);
ConnStatusType PQstatus(const PGconn *connection);
PGTransactionStatusType PQtransactionStatus(const PGconn *connection);
char *PQerrorMessage(const PGconn *connection);
int PQsocket(const PGconn *connection);
int PQbackendPID(const PGconn *connection);
int PQsetnonblocking(PGconn *connection, int is_nonblocking);
PQnoticeProcessor PQsetNoticeProcessor(PGconn *connection, PQnoticeProcessor processor, void *argument);
int PQflush(PGconn *connection);
int PQconsumeInput(PGconn *connection);
int PQisBusy(PGconn *connection);
PGnotify *PQnotifies(PGconn *connection);
void PQfreemem(void *pointer);

PGcancel *PQgetCancel(PGconn *connection);
void PQfreeCancel(PGcancel *cancel);
int PQcancel(PGcancel *cancel, char *message, int size);

int PQsendQuery(PGconn *connection, const char *query);
int PQsendPrepare(PGconn *connection, const char *name, const char *query, int count, const Oid *types);
int PQsendQueryPrepared(
    PGconn *connection, const char *name, int count, const char *const *values, const int *lengths, const int *formats,
    int result_format);
int PQenterPipelineMode(PGconn *connection);
int PQexitPipelineMode(PGconn *connection);
int PQpipelineSync(PGconn *connection);
PGresult *PQgetResult(PGconn *connection);
char *PQescapeIdentifier(PGconn *connection, const char *text, size_t length);

ExecStatusType PQresultStatus(const PGresult *result);
char *PQresultErrorField(const PGresult *result, int code);
char *PQcmdStatus(PGresult *result);
char *PQcmdTuples(PGresult *result);
int PQntuples(const PGresult *result);
int PQnfields(const PGresult *result);
char *PQfname(const PGresult *result, int column);
Oid PQftype(const PGresult *result, int column);
int PQgetisnull(const PGresult *result, int row, int column);
char *PQgetvalue(const PGresult *result, int row, int column);
int PQgetlength(const PGresult *result, int row, int column);
void PQclear(PGresult *result);

#pragma GCC visibility pop

#endif
