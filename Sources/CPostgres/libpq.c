#include "CPostgres.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

// Each function calls the library's own, which `load` has found.
#define GIVES(type, name, parameters, arguments) \
    static type(*found_##name) parameters;       \
    type name parameters { return found_##name arguments; }
#define DOES(name, parameters, arguments)  \
    static void(*found_##name) parameters; \
    void name parameters { found_##name arguments; }

GIVES(int, PQlibVersion, (void), ())
GIVES(PQconninfoOption *, PQconninfoParse, (const char *conninfo, char **message), (conninfo, message))
DOES(PQconninfoFree, (PQconninfoOption *options), (options))
GIVES(
    PGconn *, PQconnectdbParams,
    (const char *const *keywords, const char *const *values, int expands_dbname),
    (keywords, values, expands_dbname))
DOES(PQfinish, (PGconn *connection), (connection))
GIVES(ConnStatusType, PQstatus, (const PGconn *connection), (connection))
GIVES(PGTransactionStatusType, PQtransactionStatus, (const PGconn *connection), (connection))
GIVES(char *, PQerrorMessage, (const PGconn *connection), (connection))
GIVES(int, PQsocket, (const PGconn *connection), (connection))
GIVES(int, PQbackendPID, (const PGconn *connection), (connection))
GIVES(int, PQsetnonblocking, (PGconn *connection, int is_nonblocking), (connection, is_nonblocking))
GIVES(
    PQnoticeProcessor, PQsetNoticeProcessor,
    (PGconn *connection, PQnoticeProcessor processor, void *argument),
    (connection, processor, argument))
GIVES(int, PQflush, (PGconn *connection), (connection))
GIVES(int, PQconsumeInput, (PGconn *connection), (connection))
GIVES(int, PQisBusy, (PGconn *connection), (connection))
GIVES(PGnotify *, PQnotifies, (PGconn *connection), (connection))
DOES(PQfreemem, (void *pointer), (pointer))
GIVES(PGcancel *, PQgetCancel, (PGconn *connection), (connection))
DOES(PQfreeCancel, (PGcancel *cancel), (cancel))
GIVES(int, PQcancel, (PGcancel *cancel, char *message, int size), (cancel, message, size))
GIVES(int, PQsendQuery, (PGconn *connection, const char *query), (connection, query))
GIVES(
    int, PQsendPrepare,
    (PGconn *connection, const char *name, const char *query, int count, const Oid *types),
    (connection, name, query, count, types))
GIVES(
    int, PQsendQueryPrepared,
    (PGconn *connection, const char *name, int count, const char *const *values, const int *lengths,
     const int *formats, int result_format),
    (connection, name, count, values, lengths, formats, result_format))
GIVES(int, PQenterPipelineMode, (PGconn *connection), (connection))
GIVES(int, PQexitPipelineMode, (PGconn *connection), (connection))
GIVES(int, PQpipelineSync, (PGconn *connection), (connection))
GIVES(PGresult *, PQgetResult, (PGconn *connection), (connection))
GIVES(
    char *, PQescapeIdentifier,
    (PGconn *connection, const char *text, size_t length),
    (connection, text, length))
GIVES(ExecStatusType, PQresultStatus, (const PGresult *result), (result))
GIVES(char *, PQresultErrorField, (const PGresult *result, int code), (result, code))
GIVES(char *, PQcmdStatus, (PGresult *result), (result))
GIVES(char *, PQcmdTuples, (PGresult *result), (result))
GIVES(int, PQntuples, (const PGresult *result), (result))
GIVES(int, PQnfields, (const PGresult *result), (result))
GIVES(char *, PQfname, (const PGresult *result, int column), (result, column))
GIVES(Oid, PQftype, (const PGresult *result, int column), (result, column))
GIVES(int, PQgetisnull, (const PGresult *result, int row, int column), (result, row, column))
GIVES(char *, PQgetvalue, (const PGresult *result, int row, int column), (result, row, column))
GIVES(int, PQgetlength, (const PGresult *result, int row, int column), (result, row, column))
DOES(PQclear, (PGresult *result), (result))

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int is_loaded = 0;
static char reason[256] = "";

#define FIND(name)                                                        \
    do {                                                                  \
        void *symbol = dlsym(library, #name);                             \
        if (symbol == NULL) {                                             \
            snprintf(reason, sizeof reason, "it has no " #name);          \
            return;                                                       \
        }                                                                 \
        memcpy(&found_##name, &symbol, sizeof symbol);                    \
    } while (0)

static void load(void) {
    static const char *const names[] = {
#ifdef __APPLE__
        "libpq.5.dylib", "/opt/homebrew/opt/libpq/lib/libpq.5.dylib", "/usr/local/opt/libpq/lib/libpq.5.dylib",
#else
        "libpq.so.5",
#endif
    };
    void *library = NULL;
    for (size_t place = 0; library == NULL && place < sizeof names / sizeof *names; place += 1) {
        library = dlopen(names[place], RTLD_NOW | RTLD_LOCAL);
        if (library == NULL && reason[0] == 0) {
            const char *said = dlerror();
            snprintf(reason, sizeof reason, "%s", said == NULL ? "it is not there" : said);
        }
    }
    if (library == NULL) return;
    FIND(PQlibVersion);
    FIND(PQconninfoParse);
    FIND(PQconninfoFree);
    FIND(PQconnectdbParams);
    FIND(PQfinish);
    FIND(PQstatus);
    FIND(PQtransactionStatus);
    FIND(PQerrorMessage);
    FIND(PQsocket);
    FIND(PQbackendPID);
    FIND(PQsetnonblocking);
    FIND(PQsetNoticeProcessor);
    FIND(PQflush);
    FIND(PQconsumeInput);
    FIND(PQisBusy);
    FIND(PQnotifies);
    FIND(PQfreemem);
    FIND(PQgetCancel);
    FIND(PQfreeCancel);
    FIND(PQcancel);
    FIND(PQsendQuery);
    FIND(PQsendPrepare);
    FIND(PQsendQueryPrepared);
    FIND(PQenterPipelineMode);
    FIND(PQexitPipelineMode);
    FIND(PQpipelineSync);
    FIND(PQgetResult);
    FIND(PQescapeIdentifier);
    FIND(PQresultStatus);
    FIND(PQresultErrorField);
    FIND(PQcmdStatus);
    FIND(PQcmdTuples);
    FIND(PQntuples);
    FIND(PQnfields);
    FIND(PQfname);
    FIND(PQftype);
    FIND(PQgetisnull);
    FIND(PQgetvalue);
    FIND(PQgetlength);
    FIND(PQclear);
    is_loaded = 1;
}

int volery_libpq_load(void) {
    pthread_once(&once, load);
    return is_loaded;
}

const char *volery_libpq_reason(void) { return reason; }
