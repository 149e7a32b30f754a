SELECT 1;
VACUUM variables;
