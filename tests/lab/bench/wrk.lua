-- Draws requests from a file of tab-separated lines: method, target, headers, body. A header is
-- `Name: value`, several are parted by `|`. `@REF@` in a body becomes a reference of its own.
-- Arguments: file, prefix of the references, seed, status and Lua pattern that each answer must have.
local requests, prefix, expected, pattern, count = {}, "", 200, "", 0
local threads = {}
wrong, first = 0, ""

function setup(thread)
   threads[#threads + 1] = thread
   thread:set("number", #threads)
end

function init(args)
   prefix = args[2] .. "-" .. number .. "-"
   math.randomseed(number * 7919 + tonumber(args[3]))
   expected, pattern = tonumber(args[4]), args[5]
   for line in io.lines(args[1]) do
      local method, target, head, body = line:match("([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)")
      local headers = {}
      for name, value in head:gmatch("([^:|]+): ([^|]*)") do headers[name] = value end
      if body:find("@REF@", 1, true) then
         requests[#requests + 1] = { method, target, headers, body }
      else
         local sent = body ~= "" and body or nil
         requests[#requests + 1] = { text = wrk.format(method, target, headers, sent) }
      end
   end
end

function request()
   local drawn = requests[math.random(#requests)]
   if drawn.text then return drawn.text end
   count = count + 1
   local body = drawn[4]:gsub("@REF@", prefix .. count)
   return wrk.format(drawn[1], drawn[2], drawn[3], body)
end

function response(status, _, body)
   if status ~= expected or not body:find(pattern) then
      if wrong == 0 then first = status .. " " .. body:sub(1, 200):gsub("%c", " ") end
      wrong = wrong + 1
   end
end

function done(summary, latency)
   local bad, told, errors = 0, "", summary.errors
   for _, thread in ipairs(threads) do
      bad = bad + thread:get("wrong")
      if told == "" then told = thread:get("first") end
   end
   io.write(string.format(
      'BENCH\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\n',
      summary.requests, summary.duration, bad,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50), latency:percentile(95), latency:percentile(99), told))
end
