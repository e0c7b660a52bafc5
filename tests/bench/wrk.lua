-- Draws requests from a file of tab-separated lines: method, target, headers, body.
-- A header is `Name: value`, several are parted by `|`. `@REF@` in a body becomes a new reference.
local requests, thread_count, prefix = {}, 0, ""

function setup(thread)
   thread_count = thread_count + 1
   thread:set("number", thread_count)
end

function init(args)
   prefix = args[2] .. "-" .. number .. "-"
   math.randomseed(number * 7919 + tonumber(args[3]))
   for line in io.lines(args[1]) do
      local method, target, head, body = line:match("([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)")
      local headers = {}
      for name, value in head:gmatch("([^:|]+): ([^|]*)") do headers[name] = value end
      if body == "" then
         requests[#requests + 1] = { text = wrk.format(method, target, headers) }
      else
         requests[#requests + 1] = { method, target, headers, body }
      end
   end
end

local count = 0

function request()
   local drawn = requests[math.random(#requests)]
   if drawn.text then return drawn.text end
   count = count + 1
   local body = drawn[4]:gsub("@REF@", prefix .. count)
   return wrk.format(drawn[1], drawn[2], drawn[3], body)
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'JSON {"requests": %d, "us": %d, "not2xx": %d, "broken": %d, "p50": %d, "p95": %d, "p99": %d}\n',
      summary.requests, summary.duration, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(95), latency:percentile(99)))
end
