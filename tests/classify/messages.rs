//! Messages of real services, each with the place where it stands.

use super::*;

/// Where it stands, the message, and what it means.
type Row = (&'static str, &'static str, Category);

#[rustfmt::skip]
const MESSAGES: &[(&str, &[Row])] = {
    use Category::*;
    &[
        ("openai", &[
            ("https://platform.openai.com/docs/guides/error-codes", "Error code: 401 - {'error': {'message': 'Incorrect API key provided: sk-x. You can find your API key at https://platform.openai.com/account/api-keys.', 'type': 'invalid_request_error', 'code': 'invalid_api_key'}}", Auth),
            ("https://platform.openai.com/docs/guides/error-codes", "You must be a member of an organization to use the API: HTTP 401", Auth),
            ("https://platform.openai.com/docs/guides/error-codes", "403 Forbidden: Country, region, or territory not supported", Auth),
            ("https://platform.openai.com/docs/guides/error-codes", "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 28874, Requested 3000. Please try again in 3.748s.", RateLimited),
            ("https://github.com/Pythagora-io/gpt-pilot/issues/340", r#"API responded with status code: 429. Response text: {"error": {"message": "You exceeded your current quota, please check your plan and billing details.", "type": "insufficient_quota", "param": null, "code": "insufficient_quota"}}"#, Resource),
            ("https://github.com/FlowiseAI/Flowise/issues/887", "InsufficientQuotaError: You exceeded your current quota, please check your plan and billing details.", Resource),
            ("https://github.com/openai/openai-cookbook/issues/844", "429 You exceeded your current quota, please check your plan and billing details.", Resource),
            ("https://platform.openai.com/docs/guides/error-codes", "Error code: 400 - {'error': {'code': 'billing_hard_limit_reached', 'message': 'Billing hard limit has been reached', 'type': 'invalid_request_error'}}", Resource),
            ("https://github.com/vanderschaarlab/climb/issues/1", "RateLimitError: Error code: 429 - {'error': {'message': 'Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 30601. The input or output tokens must be reduced in order to run successfully.', 'type': 'tokens', 'code': 'rate_limit_exceeded'}}", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "This model's maximum context length is 8192 tokens. However, your messages resulted in 9042 tokens. Please reduce the length of the messages.", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "Error code: 400 - {'error': {'code': 'context_length_exceeded'}}", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed by our safety system.", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "Error code: 400 - {'error': {'code': 'content_policy_violation', 'type': 'invalid_request_error'}}", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "We could not parse the JSON body of your request.", Invalid),
            ("https://platform.openai.com/docs/guides/error-codes", "The model `gpt-9` does not exist or you do not have access to it.", NotFound),
            ("https://platform.openai.com/docs/guides/error-codes", "Project `proj_x` does not have access to model `gpt-4o`", Auth),
            ("https://platform.openai.com/docs/guides/error-codes", "The server had an error while processing your request. Sorry about that!", Unavailable),
            ("https://platform.openai.com/docs/guides/error-codes", "The engine is currently overloaded, please try again later", Unavailable),
            ("https://platform.openai.com/docs/guides/error-codes", "503 Slow Down", RateLimited),
            ("https://platform.openai.com/docs/guides/error-codes", "Request timed out.", Timeout),
            ("https://platform.openai.com/docs/guides/error-codes", "Connection error.", Connection),
        ]),
        ("anthropic", &[
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Unavailable),
            ("https://docs.anthropic.com/en/api/errors", "Error code: 529 - {'type': 'error', 'error': {'type': 'overloaded_error', 'message': 'Overloaded'}}", Unavailable),
            ("https://docs.anthropic.com/en/api/errors", "invalid x-api-key", Auth),
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#, Auth),
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"permission_error","message":"Your API key does not have permission to use the specified resource."}}"#, Auth),
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}"#, NotFound),
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#, Invalid),
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed your organization's rate limit of 40,000 input tokens per minute."}}"#, RateLimited),
            ("https://docs.anthropic.com/en/api/errors", "Number of request tokens has exceeded your per-minute rate limit", RateLimited),
            ("https://docs.anthropic.com/en/api/errors", r#"{"type":"error","error":{"type":"api_error","message":"Internal server error"}}"#, Unavailable),
            ("https://docs.anthropic.com/en/api/errors", r#"400 {"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 213462 tokens > 200000 maximum"}}"#, Invalid),
            ("https://docs.anthropic.com/en/api/errors", "input length and `max_tokens` exceed context limit: 178902 + 32000 > 200000, decrease input length or `max_tokens` and try again", Invalid),
            ("https://github.com/anthropics/claude-code/issues/4208", r#"Error: 400 {"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}"#, Resource),
            ("https://docs.anthropic.com/en/api/errors", "You have reached your specified API usage limits. You will regain access on 2026-01-01 at 00:00 UTC.", Resource),
            ("https://docs.anthropic.com/en/api/errors", "Output blocked by content filtering policy", Invalid),
        ]),
        ("gemini", &[
            ("https://github.com/continuedev/continue/issues/10748", r#"{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}}"#, Auth),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "API key expired. Please renew the API key.", Auth),
            ("https://github.com/itcon-pty-au/stremio-ai-search/issues/109", "[GoogleGenerativeAI Error]: Error fetching from https://generativelanguage.googleapis.com/v1beta/models/gemini-1.5-flash-latest:generateContent: [503 Service Unavailable] The model is overloaded. Please try again later.", Unavailable),
            ("https://github.com/itcon-pty-au/stremio-ai-search/issues/147", "[429 Too Many Requests] You exceeded your current quota, please check your plan and billing details. * Quota exceeded for metric: generativelanguage.googleapis.com/generate_content_free_tier_requests, limit: 20, model: gemini-2.5-flash-lite Please retry in 37.82626638s.", RateLimited),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "Resource has been exhausted (e.g. check quota).", RateLimited),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "rpc error: code = ResourceExhausted desc = slow", RateLimited),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", r#"{"error":{"code":400,"message":"The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}"#, Invalid),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting", Unavailable),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "Deadline expired before operation could complete.", Timeout),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "504 DEADLINE_EXCEEDED", Timeout),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.", NotFound),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "User location is not supported for the API use.", Permanent),
            ("https://ai.google.dev/gemini-api/docs/troubleshooting", "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.", Auth),
        ]),
        ("ollama", &[
            ("https://github.com/ollama/ollama/blob/main/server/sched.go", r#"{"error":"model requires more system memory (19.1 GiB) than is available (1.0 GiB)"}"#, Resource),
            ("https://github.com/ollama/ollama/blob/main/server/sched.go", "HTTP status 500: model requires more system memory (5.6 GiB) than is available (2.0 GiB)", Resource),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "registry.ollama.ai/library/gemma3:4b does not support tools", Invalid),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", r#"400 Bad Request: {"error":"registry.ollama.ai/library/gemma3:4b does not support tools"}"#, Invalid),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "model 'llama3:70b' not found, try pulling it first", NotFound),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "pull model manifest: file does not exist", NotFound),
            ("https://github.com/ollama/ollama/blob/main/server/sched.go", "server busy, please try again.  maximum pending requests exceeded", Unavailable),
            ("https://github.com/ollama/ollama/issues/8770", "llama runner process has terminated: exit status 2", Unavailable),
            ("https://github.com/ollama/ollama/issues/5958", "error loading model: unable to allocate backend buffer", Resource),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "the input length exceeds the context length", Invalid),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "CUDA error: out of memory", Resource),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "dial tcp 127.0.0.1:11434: connect: connection refused", Connection),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "could not connect to ollama app, is it running?", Connection),
            ("https://github.com/ollama/ollama/blob/main/server/routes.go", "request canceled", Cancelled),
        ]),
        ("azure", &[
            ("https://github.com/alex-wolf-ps/dbchatprov2/issues/2", "HTTP 429 (429) Requests to the ChatCompletions_Create Operation under Azure OpenAI API version 2024-05-01-preview have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds.", RateLimited),
            ("https://github.com/langchain-ai/langchain/issues/12986", "Requests to the Embeddings_Create Operation under Azure OpenAI API version 2023-07-01-preview have exceeded call rate limit of your current OpenAI S0 pricing tier. Please retry after 54 seconds.", RateLimited),
            ("https://learn.microsoft.com/azure/ai-services/openai/how-to/content-filters", "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please modify your prompt and retry.", Invalid),
            ("https://learn.microsoft.com/azure/ai-services/openai/how-to/content-filters", "Error code: 400 - {'error': {'code': 'content_filter', 'param': 'prompt', 'status': 400}}", Invalid),
            ("https://learn.microsoft.com/azure/ai-services/openai/reference", "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription.", Auth),
            ("https://learn.microsoft.com/azure/ai-services/openai/reference", "{'error': {'code': 'DeploymentNotFound', 'message': 'The API deployment for this resource does not exist.'}}", NotFound),
            ("https://learn.microsoft.com/azure/cosmos-db/nosql/troubleshoot-request-rate-too-large", "Request rate is large. More Request Units may be needed, so no changes were made.", RateLimited),
            ("https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes", "ServerBusy: The server is currently unable to receive requests. Please retry your request.", Unavailable),
        ]),
        ("aws", &[
            ("https://github.com/aws-samples/aws-genai-llm-chatbot/issues/220", "An error occurred (throttlingException) when calling the InvokeModelWithResponseStream operation: Too many requests, please wait before trying again.", RateLimited),
            ("https://github.com/anthropics/claude-code/issues/1466", "An error occurred (ThrottlingException) when calling the InvokeModel operation (reached max retries: 2): Too many tokens, please wait before trying again.", RateLimited),
            ("https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html", "ThrottlingException: Rate exceeded status code: 400, request id: x", RateLimited),
            ("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html", "ProvisionedThroughputExceededException: You exceeded your maximum allowed provisioned throughput for a table. HTTP 400", RateLimited),
            ("https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html", "ConditionalCheckFailedException: The conditional request failed", Conflict),
            ("https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", "SlowDown: Please reduce your request rate.", RateLimited),
            ("https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", "NoSuchBucket: The specified bucket does not exist", NotFound),
            ("https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html", "SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided.", Auth),
            ("https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html", "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The security token included in the request is expired", Auth),
            ("https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html", "UnrecognizedClientException: The security token included in the request is invalid. status code: 400", Auth),
            ("https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html", "AccessDeniedException: You don't have access to the model with the specified model ID.", Auth),
            ("https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html", "ValidationException: Input is too long for requested model.", Invalid),
            ("https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html", "ServiceQuotaExceededException: Your request exceeds the service quota for your account", Resource),
            ("https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html", "ModelTimeoutException: Model has timed out in processing the request. Try your request again.", Timeout),
            ("https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html", "InternalServerException: The system encountered an unexpected error during processing. Internal server error", Unavailable),
        ]),
        ("github", &[
            ("https://github.com/app-sre/github-mirror/pull/62", r#"github.GithubException.RateLimitExceededException: 403 {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#, RateLimited),
            ("https://github.com/integrations/terraform-provider-github/issues/2329", r#"non-200 OK status code: 403 Forbidden body: "{ \"message\": \"You have exceeded a secondary rate limit.\" }""#, RateLimited),
            ("https://github.com/stripe/stripe-cli/issues/1031", "GET https://api.github.com/repos/stripe/stripe-cli/releases/latest: 403 API rate limit exceeded for 127.0.0.1. (But here's the good news: Authenticated requests get a higher rate limit.)", RateLimited),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "Bad credentials", Auth),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "Resource not accessible by integration", Auth),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "403 Forbidden: Must have admin rights to Repository.", Auth),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "404 Not Found", NotFound),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "Validation Failed", Invalid),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "HTTP 409: Merge conflict", Conflict),
            ("https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api", "We couldn't respond to your request in time. Sorry about that.", Timeout),
        ]),
        ("stripe", &[
            ("https://docs.stripe.com/error-codes", "Invalid API Key provided: sk_test_x", Auth),
            ("https://docs.stripe.com/error-codes", "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits.", RateLimited),
            ("https://docs.stripe.com/error-codes", "No such customer: 'cus_x'; a similar object exists in live mode, but a test mode key was used to make this request.", NotFound),
            ("https://docs.stripe.com/error-codes", "resource_missing", NotFound),
            ("https://docs.stripe.com/error-codes", "Your card was declined.", Invalid),
            ("https://docs.stripe.com/error-codes", "Missing required param: amount.", Invalid),
            ("https://docs.stripe.com/error-codes", "HTTP 402: Your card has insufficient funds.", Invalid),
            ("https://docs.stripe.com/error-codes", "There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): x. Please try again later.", Conflict),
            ("https://docs.stripe.com/error-codes", "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.", Transient),
        ]),
        ("postgres", &[
            ("https://github.com/openego/eGon-data/issues/799", "FATAL: sorry, too many clients already", Resource),
            ("https://github.com/constructive-io/constructive/issues/262", "remaining connection slots are reserved for roles with the SUPERUSER attribute", Resource),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "could not serialize access due to concurrent update", Transient),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "ERROR: deadlock detected", Transient),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"could not obtain lock on row in relation "jobs""#, Transient),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "canceling statement due to statement timeout", Timeout),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "canceling statement due to lock timeout", Timeout),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "canceling statement due to user request", Cancelled),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "FATAL: terminating connection due to administrator command", Unavailable),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "FATAL: the database system is starting up", Unavailable),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"FATAL: password authentication failed for user "app""#, Auth),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "permission denied for table jobs", Auth),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"FATAL: no pg_hba.conf entry for host "10.0.0.1", user "app""#, Auth),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"duplicate key value violates unique constraint "jobs_pkey""#, Conflict),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"insert or update on table "a" violates foreign key constraint "b""#, Invalid),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"null value in column "id" violates not-null constraint"#, Invalid),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"ERROR: syntax error at or near "SELCT""#, Invalid),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"invalid input syntax for type integer: "x""#, Invalid),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"relation "jobs" does not exist"#, NotFound),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "server closed the connection unexpectedly", Connection),
            ("https://github.com/postgres/postgres/tree/master/src/backend", r#"could not extend file "base/1/2": No space left on device"#, Resource),
            ("https://github.com/postgres/postgres/tree/master/src/backend", "cannot execute INSERT in a read-only transaction", Permanent),
        ]),
        ("mysql", &[
            ("https://github.com/mozilla/fxa-auth-server/issues/432", "ER_LOCK_DEADLOCK: Deadlock found when trying to get lock; try restarting transaction", Transient),
            ("https://github.com/RocketMap/RocketMap/issues/163", "(1205, u'Lock wait timeout exceeded; try restarting transaction')", Timeout),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "ERROR 1040 (08004): Too many connections", Resource),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Access denied for user 'app'@'localhost' (using password: YES)", Auth),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Duplicate entry '1' for key 'PRIMARY'", Conflict),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Unknown database 'shop'", NotFound),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Table 'shop.jobs' doesn't exist", NotFound),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Unknown column 'x' in 'field list'", Invalid),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "You have an error in your SQL syntax; check the manual", Invalid),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Data too long for column 'name' at row 1", Invalid),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "MySQL server has gone away", Connection),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Lost connection to MySQL server during query", Connection),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Can't connect to MySQL server on 'db' (111)", Connection),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "Query execution was interrupted, maximum statement execution time exceeded", Timeout),
            ("https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html", "The table 'jobs' is full", Resource),
        ]),
        ("sqlite", &[
            ("https://www.sqlite.org/rescode.html", "database is locked", Transient),
            ("https://www.sqlite.org/rescode.html", "database or disk is full", Resource),
            ("https://www.sqlite.org/rescode.html", "database disk image is malformed", Corrupt),
            ("https://www.sqlite.org/rescode.html", "UNIQUE constraint failed: jobs.id", Conflict),
            ("https://www.sqlite.org/rescode.html", "NOT NULL constraint failed: jobs.id", Invalid),
            ("https://www.sqlite.org/rescode.html", "attempt to write a readonly database", Permanent),
            ("https://www.sqlite.org/rescode.html", "disk I/O error", Unavailable),
        ]),
        ("redis", &[
            ("https://github.com/redis/redis/issues/812", "LOADING Redis is loading the dataset in memory", Unavailable),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", Unavailable),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "CLUSTERDOWN The cluster is down", Unavailable),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "CLUSTERDOWN Hash slot not served", Unavailable),
            ("https://github.com/StackExchange/StackExchange.Redis/issues/2264", "READONLY You can't write against a read only replica.", Unavailable),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "OOM command not allowed when used memory > 'maxmemory'.", Resource),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "ERR max number of clients reached", Resource),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.", Resource),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "NOAUTH Authentication required.", Auth),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "WRONGPASS invalid username-password pair or user is disabled.", Auth),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "TRYAGAIN Multiple keys request during rehashing of slot", Transient),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "WRONGTYPE Operation against a key holding the wrong kind of value", Invalid),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "CROSSSLOT Keys in request don't hash to the same slot", Invalid),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "NOSCRIPT No matching script. Please use EVAL.", NotFound),
            ("https://github.com/redis/redis/blob/unstable/src/server.c", "BUSYGROUP Consumer Group name already exists", Conflict),
        ]),
        ("mongodb", &[
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "E11000 duplicate key error collection: shop.jobs index: _id_ dup key", Conflict),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction.", Conflict),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "not authorized on shop to execute command", Auth),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "Authentication failed.", Auth),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "NotWritablePrimary: not primary", Unavailable),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "operation exceeded time limit", Timeout),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "Server selection timeout: No available servers.", Timeout),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "connection 7 to 127.0.0.1:27017 closed", Connection),
            ("https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml", "Document failed validation", Invalid),
        ]),
    ]
};

#[test]
fn every_message_gets_the_documented_category() {
    let mut wrong = Vec::new();
    for (service, rows) in MESSAGES {
        for (source, message, expected) in *rows {
            let found = from_text(message).category;
            if found != *expected {
                wrong.push(format!("{service}: {found:?} in place of {expected:?}: {message} ({source})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(MESSAGES.iter().map(|(_, rows)| rows.len()).sum::<usize>() >= 60);
}

/// Headers with the wait that they ask for.
const HEADERS: &[(&str, &str, Option<Duration>)] = &[
    ("https://platform.openai.com/docs/guides/rate-limits", "1s", Some(SECOND)),
    ("https://platform.openai.com/docs/guides/rate-limits", "6m0s", Some(Duration::from_secs(360))),
    ("https://console.groq.com/docs/rate-limits", "2m59.56s", Some(Duration::from_millis(179_560))),
    ("https://console.groq.com/docs/rate-limits", "7.66s", Some(Duration::from_millis(7_660))),
    ("https://docs.anthropic.com/en/api/rate-limits", "2026-01-01T00:00:00Z", None),
    ("https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api", "1372700873", None),
];

#[test]
fn wait_hints_of_real_headers_are_parsed() {
    for (source, header, expected) in HEADERS {
        assert_eq!(resilience::classify::wait_hint(header), *expected, "{header} ({source})");
    }
}

#[test]
fn messages_with_a_wait_give_a_hint() {
    let waits: Vec<_> = MESSAGES
        .iter()
        .flat_map(|(_, rows)| rows.iter())
        .filter_map(|(_, message, _)| resilience::classify::wait_hint(message))
        .collect();
    let millis = [3_748_000, 37_826_266, 86_400_000_000, 54_000_000];
    assert_eq!(waits.iter().map(Duration::as_micros).collect::<Vec<_>>(), millis);
}
