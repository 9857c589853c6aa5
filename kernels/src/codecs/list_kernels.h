/* The kernels for rows as lists: a codec with lists names them, so that they are linked with it. */
#ifndef WPK_SRC_LIST_KERNELS_H
#define WPK_SRC_LIST_KERNELS_H

struct wpk_list_kernels;
extern const struct wpk_list_kernels wpk_lists;

#endif
