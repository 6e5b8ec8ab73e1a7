# TALLY_OPERATORS: a program that knows some of the operators of layers/list.inc only, for devices without room for all.
# The rows chosen, and the rewrite rules but for those that serve an operator left out, become
# <build>/include/tally/chosen_layers.inc, which layers/registry.cpp then reads instead; the linker leaves out the layers
# that nothing names.
set(TALLY_OPERATORS "" CACHE STRING "Operators to build, by their names in layers/list.inc (empty: all)")

# Rules without which nothing is lost where the operator is not there.
set(TALLY_RULES_BY_OPERATOR
    recognise_attention=Attention recognise_group_norm=GroupNormalization recognise_layer_norm=LayerNormalization
    recognise_rms_norm=RMSNormalization recognise_rotary=RotaryEmbedding recognise_gelu=Gelu recognise_lrn=LRN
    recognise_channel_move=Transpose join_transpositions=Transpose pass_transposition=Transpose
    read_past_transposition=Transpose view_transposition=Transpose absorb_transposition=Transpose
    bypass_expansion=Expand absorb_padding=Pad bypass_empty_padding=Pad)

# tally_choose_operators(<target>): tells <target> what was chosen.
function(tally_choose_operators target)
  if(NOT TALLY_OPERATORS)
    return()
  endif()
  set(list_file "${PROJECT_SOURCE_DIR}/layers/list.inc")
  set_property(DIRECTORY "${PROJECT_SOURCE_DIR}" APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${list_file}")
  file(STRINGS "${list_file}" rows REGEX "^TALLY_(LAYER|RULE)\\(")
  set(chosen "// Made by cmake/operators.cmake from layers/list.inc.\n")
  set(known "")
  foreach(row IN LISTS rows)
    if(row MATCHES "^TALLY_LAYER\\(([A-Za-z0-9]+),")
      if(NOT CMAKE_MATCH_1 IN_LIST TALLY_OPERATORS)
        continue()
      endif()
      list(APPEND known ${CMAKE_MATCH_1})
    elseif(row MATCHES "^TALLY_RULE\\([0-9]+, *([a-z_]+)\\)")
      set(served ${TALLY_RULES_BY_OPERATOR})
      list(FILTER served INCLUDE REGEX "^${CMAKE_MATCH_1}=")
      string(REGEX REPLACE "^.*=" "" served "${served}")
      if(served AND NOT served IN_LIST TALLY_OPERATORS)
        continue()
      endif()
    endif()
    string(APPEND chosen "${row}\n")
  endforeach()
  foreach(operator IN LISTS TALLY_OPERATORS)
    if(NOT operator IN_LIST known)
      message(FATAL_ERROR "TALLY_OPERATORS: '${operator}' is no operator of layers/list.inc")
    endif()
  endforeach()
  file(CONFIGURE OUTPUT "${TALLY_INCLUDE_DIR}/tally/chosen_layers.inc" CONTENT "${chosen}" @ONLY)
  target_compile_definitions(${target} PRIVATE TALLY_CHOSEN_LAYERS=1)
  list(LENGTH known count)
  message(STATUS "Operators: ${count} chosen by TALLY_OPERATORS")
endfunction()
